"""Who is told: listed, entered and erased by operators."""

from http import HTTPStatus

from alertd import views
from alertd.core.errors import Conflict, NotFound
from alertd.pipeline import recipients as entering
from alertd.pipeline.recipients import Recipient
from alertd.shapes import NewRecipient, Page, RecipientView
from alertd.watch.roster import Wanted, find_recipients
from alertd.web import auth
from alertd.web.forms import Nothing, PageQuery
from alertd.web.routes import AnyRoute, Call, Reply, Route


async def list_recipients(call: Call[Nothing, PageQuery]) -> Reply:
    (after,) = views.read_cursor(call.query.cursor) or (0,)
    wanted = Wanted(within=call.actor.jurisdiction.within(call.tools.atlas))
    found = await call.tools.store.read(
        find_recipients, wanted, after=after, limit=call.query.limit
    )
    last = None if found.next is None else str(found.next)
    return Reply(Page(items=list(found.rows), next_cursor=last))


async def add_recipient(call: Call[Recipient, Nothing]) -> Reply:
    made = await entering.add(call.tools, call.actor, call.body)
    return Reply(
        NewRecipient(id=made.recipient_id, outcome=made.outcome, secret=made.secret or None)
    )


async def erase_recipient(call: Call[Nothing, Nothing]) -> Reply:
    await entering.erase(call.tools, call.actor, int(call.path("number")))
    return Reply()


ROUTES: tuple[AnyRoute, ...] = (
    Route(
        method="GET",
        path="/api/v1/recipients",
        summary="List recipients; addresses are masked.",
        run=list_recipients,
        roles=frozenset({auth.OPERATOR}),
        body=Nothing,
        query=PageQuery,
        reply=Page[RecipientView],
    ),
    Route(
        method="POST",
        path="/api/v1/recipients",
        summary="Enter a recipient; the secret that signs a webhook is shown here once.",
        run=add_recipient,
        roles=frozenset({auth.OPERATOR}),
        body=Recipient,
        query=Nothing,
        reply=NewRecipient,
        status=HTTPStatus.CREATED,
        problems=(Conflict,),
    ),
    Route(
        method="DELETE",
        path="/api/v1/recipients/{number}",
        summary="Erase a recipient and whatever is stored of them.",
        run=erase_recipient,
        roles=frozenset({auth.OPERATOR}),
        body=Nothing,
        query=Nothing,
        status=HTTPStatus.NO_CONTENT,
        problems=(NotFound,),
    ),
)
