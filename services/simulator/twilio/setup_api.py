"""Setting up what tenants have at Twilio beside numbers: messaging services and content templates."""

from dataclasses import dataclass

from fastapi import APIRouter, HTTPException

from services.simulator.settings import Sid
from services.simulator.state import State
from services.simulator.twilio.vendor import MessagingService, ServiceSid, Template, TemplateSid, Vendor


def router(state: State, vendor: Vendor) -> APIRouter:
    setup, routes = _Setup(state, vendor), APIRouter(prefix="/control/twilio")
    routes.add_api_route("/services/{sid}", setup.service, methods=["PUT"], status_code=204)
    routes.add_api_route("/templates/{sid}", setup.template, methods=["PUT"], status_code=204)
    return routes


@dataclass(frozen=True)
class _Setup:
    state: State
    vendor: Vendor

    async def service(self, sid: ServiceSid, service: MessagingService) -> None:
        """Give an account a messaging service, or change the one it has."""
        self._check(service.account_sid)
        self.vendor.services[sid] = service

    async def template(self, sid: TemplateSid, template: Template) -> None:
        """Give an account a content template; from the first one on it knows only those that it was given."""
        self._check(template.account_sid)
        self.vendor.templates[sid] = template

    def _check(self, account_sid: Sid) -> None:
        if account_sid not in self.state.tokens:
            raise HTTPException(422, "account_sid: there is no such account; PUT /control/accounts/{sid} first")
