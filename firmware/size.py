#!/usr/bin/env python3
"""Sums up what the core takes on a 32-bit device, and holds it to the ceilings of a file.

    size.py OBJECTS-FOLDER LIMITS SIZE-TOOL

The folder holds the core's objects, gcc's .ci files (-fcallgraph-info=su) and device.o, whose bss is one struct
camlink_device. Calls through pointers lead into the platform: its stack is the port's to add. memcpy, 64-bit division
and their like, which come with the compiler, are taken to need 64 bytes.
"""
import pathlib
import re
import subprocess
import sys

NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
FRAME = re.compile(r"(\d+) bytes \(([^)]*)\)")
PLATFORM = "__indirect_call"
COMPILER = {"memcpy", "memmove", "memset", "memcmp", "__udivdi3", "__divdi3", "__umoddi3", "__moddi3", "__muldi3"}
COMPILER_FRAME = 64


def sections(tool, objects):
    """text, data and bss of each object, by name."""
    rows = subprocess.run([tool, *objects], check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    return {pathlib.Path(row.split()[5]).stem: tuple(map(int, row.split()[:3])) for row in rows}


def call_graph(files):
    """The frame of each function, and whom it calls."""
    frames, calls = {}, {}
    for file in files:
        text = file.read_text()
        for name, label in NODE.findall(text):
            frame = FRAME.search(label)
            if frame is None:
                continue
            if frame[2] != "static":
                sys.exit(f"size: the stack of {name} is not bounded: {frame[2]}")
            frames[name] = int(frame[1])
        for caller, callee in EDGE.findall(text):
            calls.setdefault(caller, set()).add(callee)
    return frames, calls


def deepest(frames, calls):
    """The call chain with the largest stack."""
    known = {}

    def walk(name, above):
        if name in above:
            sys.exit("size: recursion: " + " > ".join([*above, name]))
        if name == PLATFORM:
            return 0, []
        if name in COMPILER:
            return COMPILER_FRAME, [name]
        if name not in frames:
            sys.exit(f"size: {above[-1]} calls {name}, of which nothing is known")
        if name not in known:
            below = max((walk(callee, [*above, name]) for callee in calls.get(name, ())), default=(0, []))
            known[name] = frames[name] + below[0], [name, *below[1]]
        return known[name]

    return max(walk(name, []) for name in frames)


def read_limits(path):
    lines = (line.split("#")[0].split() for line in path.read_text().splitlines())
    return {line[0]: int(line[1]) for line in lines if line}


def main():
    folder, limits, tool = pathlib.Path(sys.argv[1]), read_limits(pathlib.Path(sys.argv[2])), sys.argv[3]
    modules = sections(tool, sorted(folder.glob("*.o")))
    device = modules.pop("device")[2]
    stack, chain = deepest(*call_graph(sorted(folder.glob("camlink*.ci"))))
    print(f"{'':26}{'text':>7}{'data':>7}{'bss':>7}")
    for name, row in modules.items():
        print(f"{name:26}" + "".join(f"{n:7}" for n in row))
    text, data, bss = (sum(column) for column in zip(*modules.values()))
    got = {"text": text, "data": data, "bss": bss, "stack": stack, "device": device}
    print("deepest stack: " + " > ".join(name.split(":")[-1] for name in chain))
    too_much = False
    for name, value in got.items():
        over = value > limits[name]
        too_much |= over
        print(f"{name:10}{value:7} of {limits[name]}{'  TOO MUCH' if over else ''}")
    sys.exit(1 if too_much else 0)


if __name__ == "__main__":
    main()
