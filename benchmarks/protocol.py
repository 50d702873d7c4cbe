"""How a contender, a process of its own, is told to run for a while and to wait.

Contenders take turns in short bursts within one run of the benchmark, since a machine's speed
drifts; what is quoted is a ratio of bursts side by side. Lines of JSON go both ways.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Seconds before a burst. Threads of NumPy go on asking for work for a while after their last
# product, on a core that the next contender needs: without a rest it lost 8 % of its speed.
REST = 0.2


class Burst:
    """The contender's side: work for the time that was asked for, then wait for the next."""

    def __init__(self) -> None:
        self.until: float | None = None  # not told to begin yet
        self.began, self.cpu, self.steps = 0.0, 0.0, 0

    def send(self, message: dict[str, Any]) -> None:
        print(json.dumps(message), flush=True)

    def wait(self) -> None:
        """Until a burst is asked for."""
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        self.began, self.cpu = time.perf_counter(), time.process_time()
        self.until = self.began + float(line)

    def over(self) -> bool:
        return self.until is None or time.perf_counter() >= self.until

    def tell(self, per_s: float) -> None:
        """Ends a burst: how much was done a second, and the processor time that it took."""
        self.send({"per_s": per_s, "cpu_s": time.process_time() - self.cpu})

    def wait_if_over(self, steps: int) -> None:
        """To be called often, with the number of steps taken since the process started."""
        if not self.over():
            return
        if self.until is not None:
            self.tell((steps - self.steps) / (time.perf_counter() - self.began))
        self.wait()
        self.steps = steps


class Contender:
    """The benchmark's side of a contender."""

    def __init__(self, name: str, python: Path, module: str, *arguments: object):
        self.name = name
        command = [str(python), "-m", module, *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ready = self._read()  # compiled, data loaded
        self.bursts: list[dict[str, float]] = []

    def _read(self) -> dict[str, float]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self.name} ended with {self.process.wait()} before it had measured")

    def run(self, seconds: float) -> None:
        """One burst; remembers how much a second, and how busy others kept the machine."""
        assert self.process.stdin is not None
        time.sleep(REST)
        before, start = _busy_seconds(), time.perf_counter()
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        burst = self._read()
        wall = time.perf_counter() - start
        others = max(0.0, (_busy_seconds() - before - burst["cpu_s"]) / wall)
        self.bursts.append({"per_s": burst["per_s"], "others": others})

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def _busy_seconds() -> float:
    """Processor time that the whole machine has spent, where it tells (Linux); else 0."""
    try:
        fields = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, *_ = map(float, fields)
    return (user + nice + system + irq + softirq) / 100
