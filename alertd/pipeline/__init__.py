"""The product, stage by stage. A stage is one function; what it changes, it writes at once.

Read, load keys, validate and render outside any transaction; then one write that looks again
at the state it presumes, and stores the new state together with its audit entry.

A version of an alert:

    stage            module    state before                  state after
    ---------------  --------  ----------------------------  -------------------------------
    submit           submit    (none)                        submitted, or draft if asked so
    edit             edit      draft, returned               the same
    edit             edit      submitted                     submitted, its approvals void
    submit_draft     edit      draft, returned               submitted
    update           update    any that went out, none open  a next version: submitted
    ask, remind      ask       submitted                     submitted, officials asked
    approve          approve   submitted                     submitted; by the last one active
    (by activate)    activate  active                        superseded by the new version
    send_back        approve   submitted                     returned, its approvals void
    reject           approve   draft, submitted, returned    rejected
    end              end       active                        ended, or cancelled (correction)
    expire           expire    submitted, returned, active   expired

A delivery:

    open_dispatch    dispatch  (none)                        its dispatch stands open
    expand           expand    (none)                        queued, in chunks
    lease            deliver   queued                        leased
    settle           deliver   leased                        sent, delivered, queued, dead, ...
    settle_reports   reports   sent, uncertain               delivered, queued or dead
    stop             dispatch  queued                        cancelled
    requeue          requeue   dead                          queued

A CAP document:

    read_request     caprequest  (somebody's XML)            an alert to submit
    document_of      signatures  public                      signed, once, and stored
    sign_due         signatures  public, not signed          the same, or an alarm

Beside them: persons and recipients (who asks, who is told), record (the audit chain),
render and contents (what a version says), notices (what officials are told).
"""
