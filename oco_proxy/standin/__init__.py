"""Stand-ins for providers: real servers on loopback, for tests and the demo.

Belongs here: what a provider's documentation says about its bytes. Does not belong here: anything
that the gateway itself imports.
"""

from oco_proxy.standin.openai import Standin, run_standin

__all__ = ["Standin", "run_standin"]
