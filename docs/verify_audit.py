#!/usr/bin/env python3
"""Verifies an audit log of autamedica-signaling, independently of the server: nothing but this file and Python 3.

    verify_audit.py FOLDER KEYFILE [CHECKPOINTS]

KEYFILE holds the line `verify KEY`. Exit status: 0 intact, 1 not intact, 2 could not be read. The format is described
in audit.md; the names here are those of that document.
"""
import base64, hashlib, hmac, json, os, re, sys

ZERO = bytes(32)
EPOCHS_AHEAD_MAX = 1_000_000
faults, notes = [], []


def unbase64(text):
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise ValueError("another spelling")
    return raw


def text_of(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def sha256(data):
    return hashlib.sha256(data).digest()


class Keys:
    """Goes forward from the verification key, which is that of epoch 0."""

    def __init__(self, key):
        self.epoch, self.key = 0, key

    def at(self, epoch):
        if not self.epoch <= epoch <= self.epoch + EPOCHS_AHEAD_MAX:
            return None
        key = self.key
        for _ in range(epoch - self.epoch):
            key = mac(key, b"autamedica-audit next epoch")
        return key


def parse(line):
    """The members of a record with its body and code, or None."""
    found = re.fullmatch(rb'(\{"seq":.*),"mac":"([A-Za-z0-9_-]{43})"\}', line, re.DOTALL)
    try:
        record = json.loads(line.decode("utf-8")) if found else None
        if record is None or type(record["seq"]) is not int or type(record["epoch"]) is not int:
            return None
        record["body"], record["code"] = found[1], unbase64(found[2].decode())
        return record
    except (ValueError, KeyError, TypeError):
        return None


def first_of(data):
    record = parse(data.split(b"\n", 1)[0])
    return record if record and record.get("event") == "segment" else None


def holds_a_record(tail):
    ends = [at.end() for at in re.finditer(rb'"\}', tail)]
    return any(parse(tail[:end]) for end in ends if end < len(tail))


def newest_gone(folder, numbers):
    after = None
    for number in reversed(numbers):
        data, counts = read(folder, number), None
        if after and after.get("previous") and after["previous"]["segment"] == number:
            counts = after["previous"]["bytes"]
        counted = data if counts is None else data[:counts]
        after = first_of(counted)
        told = [r for r in map(parse, counted.split(b"\n")) if r and r.get("event") in ("segment", "retired")]
        if told:
            return {gone["from"]: gone for gone in told[-1].get("gone", [])}
    return {}


def read(folder, number):
    with open(os.path.join(folder, f"{number:08}.jsonl"), "rb") as file:
        return file.read()


def read_checkpoints(path, verification_key):
    """The code that each named record must have."""
    expected, keys = {}, Keys(verification_key)
    found = []
    for number, line in enumerate(open(path, "rb").read().split(b"\n"), 1):
        at = re.search(rb'(\{"checkpoint":1,.*),"mac":"([A-Za-z0-9_-]{43})"\}', line)
        if at:
            found.append((json.loads(at[1] + b"}"), at, number))
    if not found:
        sys.exit("no checkpoint in the file with checkpoints")
    for said, at, number in sorted(found, key=lambda one: one[0]["epoch"]):
        keys.key, keys.epoch = keys.at(said["epoch"]), said["epoch"]
        if mac(keys.key, b"autamedica-audit checkpoint", at[1]) != unbase64(at[2].decode()):
            faults.append(f"checkpoint in line {number}: not made by this log")
        else:
            expected.setdefault(said["seq"], []).append(unbase64(said["head"]))
    return expected


def verify(folder, verification_key, expected):
    names = sorted(name for name in os.listdir(folder) if re.fullmatch(r"\d{8,}\.jsonl", name))
    numbers = sorted(int(name.split(".")[0]) for name in names)
    keys, seq, code, due, before, vouched, log = Keys(verification_key), 0, ZERO, 1, None, {}, None
    gone, last = newest_gone(folder, numbers), ""
    for at, number in enumerate(numbers):
        if any(one["from"] <= number <= one["to"] for one in gone.values()):
            notes.append(f"segment {number} is retired, and still there")
            continue
        while due < number and due in gone:
            one = gone[due]
            if one["firstSeq"] != seq + 1:
                faults.append(f"segment {due}: the record of its removal does not fit")
            keys.key, keys.epoch = keys.at(one["epoch"]), one["epoch"]
            seq, code, due, before = one["lastSeq"], unbase64(one["mac"]), one["to"] + 1, None
        if due != number:
            faults.append(f"segments {due} to {number - 1} are missing")
        due, data, counts, ending = number + 1, read(folder, number), None, None
        if at + 1 < len(numbers) and numbers[at + 1] == number + 1:
            following = first_of(read(folder, number + 1))
            ending = following and following.get("previous")
        if ending and ending["segment"] == number:
            counts = ending["bytes"]
            if counts > len(data):
                faults.append(f"segment {number}: shorter than it must be")
            torn = data[counts:]
            if ending["tornSha256"] not in (None, text_of(sha256(torn))):
                faults.append(f"segment {number}: what stands behind its last record was changed")
        lines = (data if counts is None else data[:counts]).split(b"\n")
        tail = lines.pop()
        if tail and (counts is not None or holds_a_record(tail)):
            faults.append(f"segment {number}: its end is not a record")
        elif tail:
            notes.append(f"segment {number} ends within a record: being written, torn, or cut off")
        for line_number, line in enumerate(lines, 1):
            place, record = f"segment {number}, line {line_number}", parse(line)
            key = keys.at(record["epoch"]) if record else None
            if record is None or key is None:
                faults.append(f"{place}: not a record that can stand here")
                continue
            if record["seq"] != seq + 1 or mac(key, code, sha256(record["body"])) != record["code"]:
                faults.append(f"{place}, record {record['seq']}: changed, moved, or something before it is")
            keys.key, keys.epoch = key, record["epoch"]
            seq, code, last = record["seq"], record["code"], record["event"]
            if line_number == 1:
                log = log or record.get("log")
                if last != "segment" or record.get("segment") != number or record.get("log") != log:
                    faults.append(f"{place}: not the beginning of this segment")
                elif before and record["previous"] != before:
                    faults.append(f"{place}: segment {number - 1} does not end as this one says")
                if record.get("damage"):
                    faults.append(f"{place}: the server found damage: {record['damage']}")
                for aside in record.get("setAside", []):
                    path = os.path.join(folder, os.path.basename(aside["name"]))
                    if not os.path.exists(path) or text_of(sha256(open(path, "rb").read())) != aside["sha256"]:
                        faults.append(f"{aside['name']} is not what was set aside")
            if last in ("segment", "retired"):
                vouched = {one["from"]: one for one in record.get("gone", [])}
            if any(head != code for head in expected.pop(seq, [])):
                faults.append(f"{place}: a checkpoint knows another record of this number")
        before = ending and {**ending, "bytes": min(counts, len(data)), "seq": seq, "mac": text_of(code)}
    if vouched != gone or any(one["to"] >= due for one in gone.values()):
        faults.append("no good record tells of the segments that are gone")
    retired = [range(one["firstSeq"], one["lastSeq"] + 1) for one in gone.values()]
    faults.extend(f"a checkpoint knows record {one}, which is not here: cut off?" for one in expected
                  if not any(one in numbers_gone for numbers_gone in retired))
    if last != "sealed":
        notes.append("the log does not end with a stop: running, stopped by force, or cut off")
    return seq


def main(arguments):
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    lines = [line.split() for line in open(arguments[1])]
    key = unbase64(next(line[1] for line in lines if line[:1] == ["verify"]))
    last = verify(arguments[0], key, read_checkpoints(arguments[2], key) if arguments[2:] else {})
    for line in [f"note: {note}" for note in notes] + [f"fault: {fault}" for fault in faults]:
        print(line)
    print(f"up to record {last}:", "NOT INTACT" if faults else "intact")
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except (OSError, StopIteration, ValueError, KeyError, TypeError) as error:
        print(f"cannot be read: {error!r}", file=sys.stderr)
        status = 2
    sys.exit(status)
