#!/usr/bin/env python3
"""unwheel.py WHEEL DESTINATION PATTERN>SUBFOLDER...: takes the matching files out of a wheel, without their folders."""
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
        # A * stays within one folder, as in a shell.
        found = [n for n in names if fnmatch.fnmatchcase(n, pattern) and n.count("/") == pattern.count("/")]
        if not found:
            sys.exit(f"unwheel: {wheel} holds no {pattern}")
        folder.mkdir(parents=True, exist_ok=True)
        for name in found:
            with archive.open(name) as source, open(folder / pathlib.PurePath(name).name, "wb") as target:
                shutil.copyfileobj(source, target)
