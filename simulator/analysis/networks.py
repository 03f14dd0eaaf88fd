"""networkx when it is first needed, for it takes long to import: whole, or not at all."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["networkx"]


def networkx() -> Any:
    """The package. After an import that Ctrl-C cut off, the next one begins anew.

    >>> networkx().DiGraph().number_of_nodes()
    0
    """
    try:
        import networkx as whole
    except BaseException:
        # Python takes back the module that was cut off, not those that it had imported; and networkx refuses an algorithm
        # that was registered before.
        for name in [name for name in sys.modules if name.partition(".")[0] == "networkx"]:
            del sys.modules[name]
        raise
    return whole
