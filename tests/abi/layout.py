#!/usr/bin/env python3
"""Offset and size of every member of every public struct, compared with layout.golden.

usage: layout.py [--update] INCLUDE_DIR GOLDEN [CC]

The members are read from the headers, their places are the compiler's. Lines of the golden file may
be added, by --update; a line that changes or goes is a broken promise.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

HEADERS = ["abi", "host", "scheduler", "balancer", "store", "runtime"]


def members(body):
    """Names of a struct body's members, in order."""
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    for declaration in body.split(";"):
        declaration = " ".join(declaration.split())
        if not declaration:
            continue
        function = re.search(r"\(\*(\w+)\)\s*\(", declaration)
        if function:
            yield function.group(1)
            continue
        for index, declarator in enumerate(declaration.split(",")):
            yield re.sub(r"\[.*?\]", "", declarator).strip().split(" ")[-1].lstrip("*")


def structs(include):
    for header in HEADERS:
        text = (include / "orchestrator" / f"{header}.h").read_text()
        for name, body in re.findall(r"^struct (\w+) \{(.*?)^\}", text, flags=re.S | re.M):
            yield name, list(members(body))


def program(include):
    lines = ["#include <stddef.h>", "#include <stdio.h>"]
    lines += [f"#include <orchestrator/{header}.h>" for header in HEADERS]
    lines += ["int main(void)", "{"]
    for name, names in structs(include):
        lines.append(f'    printf("{name} size %zu\\n", sizeof(struct {name}));')
        for member in names:
            lines.append(
                f'    printf("{name}.{member} offset %zu size %zu\\n", '
                f"offsetof(struct {name}, {member}), sizeof(((struct {name} *)0)->{member}));"
            )
    return "\n".join(lines + ["    return 0;", "}", ""])


def layout(include, compiler):
    with tempfile.TemporaryDirectory() as folder:
        source, binary = pathlib.Path(folder, "layout.c"), pathlib.Path(folder, "layout")
        source.write_text(program(include))
        subprocess.run(
            [compiler, "-std=c17", "-Wall", "-Wextra", "-Wpadded", "-Werror", f"-I{include}",
             str(source), "-o", str(binary)], check=True)
        return subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout


def main(arguments):
    update = "--update" in arguments
    arguments = [argument for argument in arguments if argument != "--update"]
    include, golden = pathlib.Path(arguments[0]), pathlib.Path(arguments[1])
    found = layout(include, arguments[2] if len(arguments) > 2 else "cc")
    if update:
        golden.write_text(found)
        return 0
    known, now = golden.read_text().splitlines(), found.splitlines()
    broken = [line for line in known if line not in now and " size " in line and "." in line]
    changed = [line for line in now if line not in known]
    for line in broken:
        print(f"broken: {line}")
    for line in changed:
        print(f"not in {golden.name}: {line}")
    if broken:
        print("a member has moved, changed its size or gone: that is a new major version")
    elif changed:
        print("after appending members run: layout.py --update INCLUDE_DIR GOLDEN")
    return 1 if broken or changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
