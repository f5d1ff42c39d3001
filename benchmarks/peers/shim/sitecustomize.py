"""Put on PYTHONPATH of `rag refresh`, it makes the model fail after PEERS_FAIL_AFTER texts. Nothing of the project changes.

How many texts the model was given until then is written to PEERS_COUNT_TO.
"""

import atexit
import os
from pathlib import Path

if "PEERS_FAIL_AFTER" in os.environ:
    from benchmarks.peers.protocol import Count

    _count = Count(int(os.environ["PEERS_FAIL_AFTER"]))
    _count.watch()
    atexit.register(lambda: Path(os.environ["PEERS_COUNT_TO"]).write_text(str(_count.texts), encoding="utf-8"))
