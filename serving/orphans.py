"""No worker without its parent.

When BentoML's parent process is killed hard, its workers would live on, keep the port, and serve unseen beside the next start. A worker
therefore looks after its parent and ends in good order when it is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

logger = logging.getLogger("leadloop.serving")


def leave_with_parent(*, look_seconds: float = 0.5) -> threading.Thread:
    """Watch from a thread of its own; SIGTERM to this process when its parent has changed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(look_seconds)
        logger.warning("the parent process is gone; this worker ends too")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=watch, name="leadloop-orphans", daemon=True)
    thread.start()
    return thread
