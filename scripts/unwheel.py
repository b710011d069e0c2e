#!/usr/bin/env python3
"""unwheel.py WHEEL DESTINATION PATTERN>SUBFOLDER...: takes the matching files out of a wheel, without their folders.

A pattern that ends in /** stands for all that is below, which keeps its folders. Programs stay programs.
"""
import fnmatch
import pathlib
import shutil
import sys
import zipfile

wheel, destination, *rules = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
    for rule in rules:
        pattern, subfolder = rule.split(">")
        folder = pathlib.Path(destination, subfolder)
        if pattern.endswith("/**"):
            found = {n: n[len(pattern) - 2:] for n in names if n.startswith(pattern[:-2]) and not n.endswith("/")}
        else:
            # A * stays within one folder, as in a shell.
            found = {n: pathlib.PurePath(n).name for n in names
                     if fnmatch.fnmatchcase(n, pattern) and n.count("/") == pattern.count("/")}
        if not found:
            sys.exit(f"unwheel: {wheel} holds no {pattern}")
        for name, place in found.items():
            path = folder / place
            if folder not in path.parents or ".." in path.parts:
                sys.exit(f"unwheel: {wheel} holds {name}, which leads elsewhere")
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target)
            if archive.getinfo(name).external_attr >> 16 & 0o100:
                path.chmod(0o755)
