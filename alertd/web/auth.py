"""Who is asking: a bearer token belongs to one person, whose roles open routes."""

from collections.abc import Iterable

from aiohttp import web

from alertd.core.errors import NotAllowed
from alertd.pipeline import persons
from alertd.rulebook import Rulebook
from alertd.tools import Actor, Tools
from alertd.web.hardening import PERSON
from alertd.web.problems import NotAuthenticated

SUBMITTER = "submitter"
OPERATOR = "operator"
READER = "reader"
APPROVER = "approval roles"  # stands for those of every rule set
EVERYONE = frozenset({SUBMITTER, OPERATOR, READER, APPROVER})

_LONGEST_TOKEN = 200


async def authorise(tools: Tools, request: web.Request, roles: frozenset[str]) -> Actor:
    """Give the person behind the request; raises NotAuthenticated or NotAllowed."""
    actor = await _identify(tools, request.headers.getall("Authorization", []))
    request[PERSON] = actor.person_id
    actor.require(*roles)
    return actor


async def _identify(tools: Tools, headers: list[str]) -> Actor:
    if len(headers) != 1:
        raise NotAuthenticated("give one header `Authorization: Bearer <token>`")
    scheme, _, token = headers[0].partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(token) <= _LONGEST_TOKEN or not token.isascii():
        raise NotAuthenticated("give one header `Authorization: Bearer <token>`")
    try:
        return await persons.authenticate(tools, token)
    except NotAllowed:
        raise NotAuthenticated("this token is unknown, expired or revoked") from None


def expand(roles: Iterable[str], rulebook: Rulebook) -> frozenset[str]:
    """Put the rule sets' approval roles in the place of APPROVER."""
    named = frozenset(roles)
    return (named - {APPROVER}) | approval_roles(rulebook) if APPROVER in named else named


def approval_roles(rulebook: Rulebook) -> frozenset[str]:
    return frozenset(role.name for rules in rulebook.known().values() for role in rules.approvals)
