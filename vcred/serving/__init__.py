"""What the issuer's and the verifier's services share: settings, problem details, limits, pages, metrics, start.

Needs the extra ``server``. Nothing is read when a module is imported: settings are one object that is passed in.
"""

from vcred.serving.addresses import counted_address
from vcred.serving.app import build_app
from vcred.serving.direct import add_direct
from vcred.serving.greenlets import Greenlets
from vcred.serving.health import Readiness, add_health
from vcred.serving.limits import Limits, LimitsMiddleware
from vcred.serving.metrics import Metrics, add_metrics
from vcred.serving.pages import Pages, language_of, wants_page
from vcred.serving.problems import ProtocolError, add_problems, problem, route_of
from vcred.serving.run import Tls, serve
from vcred.serving.settings import Settings, load_settings
from vcred.serving.workers import run_workers

__all__ = [
    "Greenlets",
    "Limits",
    "LimitsMiddleware",
    "Metrics",
    "Pages",
    "ProtocolError",
    "Readiness",
    "Settings",
    "Tls",
    "add_direct",
    "add_health",
    "add_metrics",
    "add_problems",
    "build_app",
    "counted_address",
    "language_of",
    "load_settings",
    "problem",
    "route_of",
    "run_workers",
    "serve",
    "wants_page",
]
