"""Run the code cells of a notebook in order, in one namespace; `jupyter execute` does the same, and more."""

import json
import sys
from pathlib import Path

path = Path(sys.argv[1])
namespace = {"__name__": "__main__"}
for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
    if cell["cell_type"] == "code":
        code = compile("".join(cell["source"]), f"{path}, cell {number}", "exec")
        exec(code, namespace)
