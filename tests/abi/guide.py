#!/usr/bin/env python3
"""Does what docs/plugin-guide.md says, to the letter, with an SDK installed from BUILD_DIR.

usage: guide.py GUIDE BUILD_DIR
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def main(guide, build):
    blocks = re.findall(r"```(\w+)\n(.*?)```", pathlib.Path(guide).read_text(), flags=re.S)
    shell = [text for language, text in blocks if language == "sh"]
    code = [text for language, text in blocks if language == "c"]
    with tempfile.TemporaryDirectory() as work:
        prefix, folder = f"{work}/prefix", f"{work}/zone-first"
        environment = dict(os.environ, PREFIX=prefix, PATH=f"{prefix}/bin:{os.environ['PATH']}")

        def run(script, where):
            script = script.replace("sudo ", "")
            done = subprocess.run(["bash", "-ec", script], cwd=where, env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            print(done.stdout)
            done.check_returncode()

        run(f"cmake --install {build}/sdk --prefix {prefix}", work)
        run(shell[0], work)
        pathlib.Path(folder, "zone-first.c").write_text(code[0])
        pathlib.Path(folder, "test_zone_first.c").write_text(code[1])
        for script in shell[1:4]:
            run(script, folder)
        if not pathlib.Path(prefix, "lib/orchestrator/scheduler-zone-first.so").exists():
            sys.exit("the plugin was not installed where the orchestrator looks")


if __name__ == "__main__":
    main(*sys.argv[1:])
