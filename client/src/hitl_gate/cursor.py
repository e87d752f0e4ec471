"""The position in the feed up to which everything is handled, in a file that a crash leaves whole."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cursor:
    """A file, the service it belongs to, and the last position handled; 0 is before the first."""

    path: Path
    service: str
    position: int

    @classmethod
    def open(cls, path: Path, service: str) -> Cursor:
        """Read the file, or start before the first item. Raises ValueError where it is of another service or broken."""
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            found = cls(path, str(kept["service"]), int(kept["position"]))
        except FileNotFoundError:
            return cls(path, service, 0)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is no cursor of hitl-gate; move it away to start from the first item") from error
        if found.service != service:
            raise ValueError(f"{path} belongs to {found.service}, not to {service}; use another file")
        return found

    def advance(self, position: int) -> None:
        """Write the position to the disk before anything else happens."""
        beside = self.path.with_name(self.path.name + ".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump({"service": self.service, "position": position}, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        self.position = position
