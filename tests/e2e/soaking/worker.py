"""A thread that acts in a soaked city again and again until it is told to stop."""

import random
import threading


class Worker(threading.Thread):
    """Does something again and again until it is told to stop; what it raises is kept."""

    def __init__(self, name: str, seed: str, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.chance = random.Random(f"{seed} {name}")
        self.stop = stop
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Acts, with a pause of a drawn length."""
        try:
            while not self.stop.is_set():
                self.act()
                self.stop.wait(self.chance.uniform(0, self.pause))
        # The test looks at the failure.
        except BaseException as e:
            self.failure = e

    pause = 0.2

    def act(self) -> None:
        """One action."""
        raise NotImplementedError
