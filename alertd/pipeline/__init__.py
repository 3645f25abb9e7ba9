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
    extend           update    active, none open             the same, with a later expiry
    ask, remind      ask       submitted                     submitted, officials asked
    approve          approve   submitted                     submitted; by the last one active
    (by activate)    activate  active                        superseded by the new version
    send_back        approve   submitted                     returned, its approvals void
    reject           approve   draft, submitted, returned    rejected
    end              end       active                        ended, or cancelled (correction)
    warn             expire    active                        the same, officials warned
    expire           expire    submitted, returned, active   expired
    rebroadcast      rebroadcast  active                     the same, sent once more
    note_gone        surfaces  ended, cancelled, expired     the same, something seen to be gone

A delivery:

    open_dispatch    dispatch  (none)                        its dispatch stands open
    expand           expand    (none)                        queued, in chunks
    lease            deliver   queued                        leased
    settle           deliver   leased                        sent, delivered, queued, dead, ...
    settle_reports   reports   sent, uncertain               delivered, queued or dead
    stop             dispatch  queued                        cancelled
    requeue          requeue   dead, uncertain               queued
    recall           recall    sent, its dispatch stopped    the same, asked back of the provider
    acknowledge      takedown  of an end                     the same, deletion acknowledged
    chase            takedown  of an end, unanswered         one more, asking again

A subscription by WebSub:

    subscribe        websub    (none), or any                confirmed, until its lease ends
    unsubscribe      websub    confirmed                     ended
    end_leases       websub    confirmed, lease over         ended

A CAP document:

    read_request     caprequest  (somebody's XML)            an alert to submit
    document_of      signatures  public                      signed, once, and stored
    sign_due         signatures  public, not signed          the same, or an alarm

Beside them: persons and recipients (who asks, who is told), record (the audit chain),
render, capcheck and contents (what a version says, held to the standard), notices (what
officials are told).
"""
