"""Two listeners: the API for officials and operators, and the public one."""

from alertd.web.api import make_api_app
from alertd.web.callbacks import Reports, ReportSink
from alertd.web.public import make_public_app

__all__ = ["ReportSink", "Reports", "make_api_app", "make_public_app"]
