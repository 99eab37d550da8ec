#!/usr/bin/env python3
"""Verifies an audit log of autamedica-signaling, independently of the server: this file and Python 3 are all it needs.
    verify_audit.py FOLDER KEYFILE [CHECKPOINTS]
KEYFILE holds the line `verify KEY`. Exit status: 0 intact, 1 not intact, 2 could not be read. audit.md has the format.
"""
import base64, hashlib, hmac, json, os, re, sys
# More than sixty years of minutes, and how many epochs may be empty between two records.
EPOCHS_MAX, EPOCHS_AHEAD_MAX = 32_000_000, 1_000_000
faults, notes = [], []
def unbase64(text):
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_text(raw) != text: raise ValueError("another spelling of base64url")
    return raw
def to_text(raw): return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
def sha256(data): return hashlib.sha256(data).digest()
def mac(key, *parts): return hmac.digest(key, b"".join(parts), "sha256")
def read(folder, name):
    with open(os.path.join(folder, name if isinstance(name, str) else f"{name:08}.jsonl"), "rb") as file:
        return file.read()
class Keys:
    """Goes forward from the verification key, which is that of epoch 0."""
    def __init__(self, key): self.epoch, self.key = 0, key
    def at(self, epoch, ahead_max=EPOCHS_MAX):
        if not 0 <= epoch - self.epoch <= ahead_max:
            raise ValueError("an epoch that cannot stand here")
        key = self.key
        for _ in range(epoch - self.epoch):
            key = mac(key, b"autamedica-audit next epoch")
        return key
    def go(self, epoch, ahead_max=EPOCHS_MAX):
        self.key, self.epoch = self.at(epoch, ahead_max), epoch
        return self.key
def parse(line):
    """The members of a record with its body and code; None where the line is none."""
    found = re.fullmatch(rb'(\{"seq":.*),"mac":"([A-Za-z0-9_-]{43})"\}', line, re.DOTALL)
    try:
        record = json.loads(line.decode()) if found else None
        if not record or type(record["seq"]) is not int or type(record["epoch"]) is not int or not record["event"]:
            return None
        return {**record, "body": found[1], "code": unbase64(found[2].decode())}
    except (ValueError, KeyError, TypeError):
        return None
def first_of(data):
    record = parse(data.split(b"\n", 1)[0])
    return record if record and record["event"] == "segment" else {}
def ending_of(folder, number, numbers):
    """How a segment ended, as the one behind it says."""
    previous = first_of(read(folder, number + 1)).get("previous") if number + 1 in numbers else None
    return previous if previous and previous["segment"] == number else None
def newest_gone(folder, numbers):
    for number in reversed(numbers):
        ending = ending_of(folder, number, numbers)
        lines = read(folder, number)[:ending["bytes"] if ending else None].split(b"\n")
        told = [record for record in map(parse, lines) if record and record["event"] in ("segment", "retired")]
        if told:
            return {gone["from"]: gone for gone in told[-1].get("gone", [])}
    return {}
def read_checkpoints(path, keys):
    """The codes that records of these numbers must have."""
    found = [re.search(rb'(\{"checkpoint":1,.*),"mac":"([A-Za-z0-9_-]{43})"\}', line)
             for line in read("", path).split(b"\n")]
    expected = {}
    said = sorted(((json.loads(at[1] + b"}"), at) for at in found if at), key=lambda one: one[0]["epoch"])
    if not said:
        raise ValueError("no checkpoint in the file with checkpoints")
    for checkpoint, at in said:
        if mac(keys.go(checkpoint["epoch"]), b"autamedica-audit checkpoint", at[1]) != unbase64(at[2].decode()):
            faults.append(f"the checkpoint of {checkpoint['time']} was not made by this log")
        else:
            expected.setdefault(checkpoint["seq"], []).append((unbase64(checkpoint["head"]), "a checkpoint"))
    return expected
def read_seal(folder):
    """The content of the file `seal`; None where there is none: it is secret, and a copy may lack it."""
    try:
        data = read(folder, "seal")
    except OSError:
        return None
    try:
        seal = json.loads(data.decode(), object_pairs_hook=once)
        ending = seal.get("previous")
        good = seal["version"] == 1 and type(seal["log"]) is str and are_numbers(
            seal, "version", "epoch", "segment", "offset", "seq", "encryption") and seal["encryption"] < 1 << 32
        if ending is not None:
            good = good and are_numbers(ending, "segment", "bytes", "seq", "torn") and len(unbase64(ending["mac"])) == 32
            good = good and type(ending.get("tornSha256")) in (str, type(None))
        seal.update(key=unbase64(seal["key"]), mac=unbase64(seal["mac"]))
        if good and len(seal["key"]) == len(seal["mac"]) == 32:
            return seal
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    faults.append("the file `seal` cannot be read")
    return None
def once(pairs):
    if len(dict(pairs)) < len(pairs): raise ValueError("a name that is there twice")
    return dict(pairs)
def are_numbers(members, *names): return all(type(members[name]) is int and 0 <= members[name] < 1 << 64 for name in names)
def check_first(folder, record, number, log, before, place):
    known = log or record.get("log")
    if record["event"] != "segment" or record.get("segment") != number or not known or record.get("log") != known:
        faults.append(f"{place}: not the beginning of this segment of this log")
    if before and record.get("previous") != before:
        faults.append(f"{place}: segment {number - 1} does not end as this one says")
    if record.get("damage"):
        faults.append(f"{place}: the server found damage: {record['damage']}")
    for aside in record.get("setAside", []):
        if to_text(sha256(read(folder, os.path.basename(aside["name"])))) != aside["sha256"]:
            faults.append(f"{aside['name']} is not what was set aside")
def verify(folder, keys, expected):
    seal = read_seal(folder)  # before the segments: a server that is writing is never behind it
    if seal and (seal["epoch"] > EPOCHS_MAX or keys.at(seal["epoch"]) != seal["key"]):
        faults.append("the key in the file `seal` does not come from this verification key")
    elif seal and seal["seq"]:
        expected.setdefault(seal["seq"], []).append((seal["mac"], "the file `seal`"))
    found = [int(name[:-6]) for name in os.listdir(folder) if re.fullmatch(r"[0-9]{8,}\.jsonl", name)]
    numbers = sorted(number for number in set(found) if os.path.exists(os.path.join(folder, f"{number:08}.jsonl")))
    gone, seq, code, due, before, vouched, log, last = newest_gone(folder, numbers), 0, bytes(32), 1, None, {}, None, ""
    for number in numbers:
        if any(one["from"] <= number <= one["to"] for one in gone.values()):
            notes.append(f"segment {number} is retired, and still there")
            continue
        while due < number and due in gone:
            one = gone[due]
            if one["firstSeq"] != seq + 1 or one["to"] < one["from"]:
                faults.append(f"segment {due}: the record of its removal does not fit")
            keys.go(one["epoch"])
            seq, code, due, before = one["lastSeq"], unbase64(one["mac"]), max(one["to"], due) + 1, None
        if due != number:
            faults.append(f"segments {due} to {number - 1} are missing")
        due, data, ending = number + 1, read(folder, number), ending_of(folder, number, numbers)
        counted = data[:ending["bytes"]] if ending else data
        *lines, tail = counted.split(b"\n")
        ends = [at.end() for at in re.finditer(rb'"\}', tail)]
        if tail and (ending or any(parse(tail[:end]) for end in ends if end < len(tail))):
            faults.append(f"segment {number}: its end is not a record")
        elif tail:
            notes.append(f"segment {number} ends within a record: being written, torn, or cut off")
        for line_number, line in enumerate(lines, 1):
            place, record = f"segment {number}, line {line_number}", parse(line)
            if not record:
                faults.append(f"{place}: not a record")
                continue
            right = mac(keys.go(record["epoch"], EPOCHS_AHEAD_MAX), code, sha256(record["body"]))
            if record["seq"] != seq + 1 or right != record["code"]:
                faults.append(f"{place}, record {record['seq']}: it, or one before it, was changed or moved")
            seq, code, last = record["seq"], record["code"], record["event"]
            if line_number == 1:
                check_first(folder, record, number, log, before, place)
                log = log or record.get("log")
            if last in ("segment", "retired"):
                vouched = {one["from"]: one for one in record.get("gone", [])}
            for head, who in expected.pop(seq, []):
                if head != code:
                    faults.append(f"{place}: {who} knows another record of this number")
        if ending:
            torn = data[ending["bytes"]:]
            if len(data) < ending["bytes"] or ending["tornSha256"] not in (None, to_text(sha256(torn))):
                faults.append(f"segment {number}: what stands behind its last record was changed, or it is cut short")
            elif torn:
                notes.append(f"segment {number}: torn behind record {seq}, {len(torn)} bytes do not count")
        before = ending and {**ending, "bytes": len(counted), "seq": seq, "mac": to_text(code)}
    if not numbers or vouched != gone or any(one["to"] >= due for one in gone.values()):
        faults.append("no good record tells of the segments that are not here")
    retired = [range(one["firstSeq"], one["lastSeq"] + 1) for one in gone.values()]
    faults.extend(f"{who} knows record {number}, which is not here: the log was cut off" for number, told in expected.items()
                  if not any(number in one for one in retired) for _, who in told)
    # Looked for only now: a running server first announces a new segment, and then begins it.
    if seal and due <= seal["segment"] and not os.path.exists(os.path.join(folder, f"{seal['segment']:08}.jsonl")):
        faults.append(f"the file `seal` says that segment {seal['segment']} was begun, but it is not here: it was cut off, "
                      "unless the server was stopped in that very moment")
    if last != "sealed":
        notes.append("the log does not end with a stop: running, stopped by force, or cut off")
    return seq
def main(folder, key_file, checkpoints=None):
    words = [line.split() for line in open(key_file)]
    key = unbase64(next(line[1] for line in words if line[:1] == ["verify"]))
    expected, last = read_checkpoints(checkpoints, Keys(key)) if checkpoints else {}, None
    try:
        last = verify(folder, Keys(key), expected)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        faults.append(f"there is something that makes no sense: {error!r}")
    print("".join(f"note: {note}\n" for note in notes) + "".join(f"fault: {fault}\n" for fault in faults), end="")
    print(f"up to record {last}:", "NOT INTACT" if faults else "intact")
    return 1 if faults else 0
if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (OSError, StopIteration, ValueError, TypeError) as error:
        sys.exit(print(f"cannot be read: {error!r}\n{__doc__}", file=sys.stderr) or 2)
