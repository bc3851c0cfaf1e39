"""A program for the vendor's library with ctypes. It uses every setting of the simulated library.

Usage: program.py LIBRARY FOLDER. It ends with an AssertionError if something is wrong.
"""

import ctypes
import os
import struct
import sys
import threading
import time

U8, U16, U32, INT, PTR = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p
ON_DEVICE = ctypes.CFUNCTYPE(None, U32)
ON_LOG = ctypes.CFUNCTYPE(None, U32, PTR)

LIBRARY = ctypes.CDLL(sys.argv[1])
TRUTH = os.path.join(sys.argv[2], "truth.tsv")
FIRST = 541_000_001
PATIENCE = 60

PARAMETERS = {
    "AllocateContext": [],
    "ReleaseContext": [PTR],
    "Initialize": [PTR],
    "ReleaseObject": [PTR],
    "SetAutoConnection": [PTR, INT],
    "SetDefaultResponseTimeout": [PTR, ctypes.c_long],
    "SetDeviceEventListener": [PTR, ON_DEVICE, ON_DEVICE, ON_DEVICE, ON_DEVICE],
    "SearchDevices": [PTR],
    "ConnectDevice": [PTR, U32],
    "ConnectDeviceViaIP": [PTR, ctypes.c_char_p, U16, ctypes.POINTER(U32)],
    "GetLog": [PTR, U32, U32, U32, ctypes.POINTER(PTR), ctypes.POINTER(U32)],
    "StartMonitoringLog": [PTR, U32, ON_LOG],
    "StopMonitoringLog": [PTR, U32],
    "AllocateUsbContext": [],
    "ActivateFloor": [PTR, U32, U32, U8, PTR, U8],
}


def bs2(name, *arguments):
    function = getattr(LIBRARY, "BS2_" + name)
    function.argtypes = PARAMETERS[name]
    function.restype = PTR if name.startswith("Allocate") else INT
    return function(*arguments)


class Context:
    """An initialised context with these settings."""

    def __init__(self, settings, before=lambda context: None, expected=1):
        os.environ["BS2_SIM"] = settings
        self.pointer = PTR(bs2("AllocateContext"))
        before(self.pointer)
        assert bs2("Initialize", self.pointer) == expected, settings

    def connect(self, port=51_211):
        device = U32()
        assert bs2("ConnectDeviceViaIP", self.pointer, b"127.0.0.1", port, device) == 1
        return device.value

    def logs(self, device, after=0, amount=0):
        """Returns the code, and the records as bytes."""
        logs, count = PTR(1), U32(9)
        code = bs2("GetLog", self.pointer, device, after, amount, logs, count)
        assert code == 1 or (not logs and count.value == 0)
        records = ctypes.string_at(logs, 48 * count.value) if logs else b""
        bs2("ReleaseObject", logs)
        return code, [records[at : at + 48] for at in range(0, len(records), 48)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        bs2("ReleaseContext", self.pointer)


def event_id(record):
    return struct.unpack_from("<I", record)[0]


def what_is_read_and_reported_is_the_truth():
    os.environ["BS2_SIM_TRUTH"] = TRUTH
    live, enough = {}, threading.Event()

    def on_log(device, event):
        record = ctypes.string_at(event, 48)
        live[device, event_id(record)] = record
        if len(live) >= 100:
            enough.set()

    callback, read = ON_LOG(on_log), {}
    with Context("devices=2&backlog=700&rate=500&seed=3") as context:
        devices = [context.connect(port) for port in (51_211, 51_212)]
        assert devices == [FIRST, FIRST + 1]
        for device in devices:
            assert bs2("StartMonitoringLog", context.pointer, device, callback) == 1
        assert enough.wait(PATIENCE)
        for device in devices:
            assert bs2("StopMonitoringLog", context.pointer, device) == 1
            last = 0
            while page := context.logs(device, last, 64)[1]:
                ids = [event_id(record) for record in page]
                assert ids == sorted(set(ids)) and ids[0] > last and len(page) <= 64
                read.update(((device, event_id(record)), record) for record in page)
                last = ids[-1]
    del os.environ["BS2_SIM_TRUTH"]
    truth = {}
    with open(TRUTH, encoding="ascii") as lines:
        for line in lines:
            device, _, number, record = line.split("\t")
            truth[int(device), int(number)] = bytes.fromhex(record)
    assert len(read) > 1_400 and read.items() <= truth.items()
    assert live.items() <= read.items()


def the_last_byte_may_be_a_bool():
    with Context("old-flag-byte=1") as context:
        old = context.logs(context.connect())[1]
    with Context("old-flag-byte=0") as context:
        new = context.logs(context.connect())[1]
    assert {record[47] for record in old} == {0, 1} and any(record[47] > 1 for record in new)
    assert [record[:47] for record in old] == [record[:47] for record in new]


def an_answer_may_begin_with_the_id():
    with Context("inclusive=1") as context:
        assert event_id(context.logs(context.connect(), 5, 1)[1][0]) == 5


def every_third_call_may_fail():
    with Context("fail=GetLog:-601:3,BS2_ConnectDevice:-102:1") as context:
        device = context.connect()
        assert [context.logs(device, 0, 1)[0] for _ in range(6)] == [1, 1, -601, 1, 1, -601]
        assert bs2("ConnectDevice", context.pointer, device) == -102


def answers_may_be_late_and_too_late():
    with Context("latency=30ms") as context:
        device = context.connect()
        begun = time.monotonic()
        assert context.logs(device, 0, 1)[0] == 1 and time.monotonic() - begun >= 0.03
        assert bs2("SetDefaultResponseTimeout", context.pointer, 5) == 1
        assert context.logs(device, 0, 1)[0] == -601


def readers_may_connect_by_themselves():
    connected, both = set(), threading.Event()

    def on_connected(device):
        connected.add(device)
        if len(connected) == 2:
            both.set()

    callback, accepted, none = ON_DEVICE(on_connected), ON_DEVICE(lambda _device: None), ON_DEVICE()

    def automatic(context):
        assert bs2("SetAutoConnection", context, 1) == 1
        assert bs2("SetDeviceEventListener", context, none, none, callback, none) == 1

    with Context("devices=2", automatic) as context:
        assert both.wait(PATIENCE)
        assert context.logs(FIRST + 1, 0, 1)[0] == 1
    connected.clear()
    both.clear()
    with Context("devices=2") as context:
        assert bs2("SetDeviceEventListener", context.pointer, none, accepted, callback, none) == 1
        assert bs2("SetAutoConnection", context.pointer, 1) == 1
        assert both.wait(PATIENCE)
    with Context("devices=2&accept=0") as context:
        assert bs2("ConnectDevice", context.pointer, FIRST) == -907
        assert bs2("SearchDevices", context.pointer) == 1
        assert bs2("ConnectDevice", context.pointer, FIRST) == 1


def a_context_may_be_released_inside_a_callback():
    context, done = Context("rate=50"), threading.Event()

    def on_log(_device, _event):
        bs2("ReleaseContext", context.pointer)
        done.set()

    callback = ON_LOG(on_log)
    assert bs2("StartMonitoringLog", context.pointer, context.connect(), callback) == 1
    assert done.wait(PATIENCE)
    assert context.logs(FIRST)[0] == -200
    with Context("rate=50") as again:
        assert again.logs(again.connect(), 0, 1)[0] == 1


def a_release_waits_a_second_for_all_callbacks_together():
    inside, all_inside, go = set(), threading.Event(), threading.Event()

    def on_log(device, _event):
        inside.add(device)
        if len(inside) == 4:
            all_inside.set()
        go.wait(PATIENCE)

    callback = ON_LOG(on_log)
    with Context("devices=4&rate=200") as context:
        for port in range(51_211, 51_215):
            assert bs2("StartMonitoringLog", context.pointer, context.connect(port), callback) == 1
        assert all_inside.wait(PATIENCE)
        begun = time.monotonic()
        bs2("ReleaseContext", context.pointer)
        took = time.monotonic() - begun
        go.set()
    assert 0.9 < took < 1.9, took


def bad_settings_are_named():
    for settings, said in [
        ("devices=none", "setting `devices`: `none`"),
        ("colour=red", "setting `colour` is not known"),
        ("latency=-1ms", "setting `latency`: `-1ms`"),
        ("old-flag-byte=2", "setting `old-flag-byte`: `2`"),
        ("accept=0&accept=1", "setting `accept` is given twice"),
        ("fail=GetLog", "setting `fail`: `GetLog` is not FUNCTION:CODE:EVERY"),
        ("fail=GetLogs:-1:1", "names a function that the library does not have"),
        ("fail=GetLog:1:1", "negative"),
        ("fail=GetLog:-1:0", "a number of calls"),
        ("replay=no/such/file", "no/such/file"),
    ]:
        kept, (reading, writing) = os.dup(2), os.pipe()
        os.dup2(writing, 2)
        with Context(settings, expected=-800):
            os.dup2(kept, 2)
            os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as sentence:
            lines = sentence.read().splitlines()
        os.close(kept)
        assert len(lines) == 1 and lines[0].startswith("BS2_SIM: ") and said in lines[0], lines


def what_is_not_simulated_says_so():
    with Context("") as context:
        assert bs2("ActivateFloor", context.pointer, FIRST, 1, 0, None, 0) == -600
        # Its result is a pointer: an error code would look like one.
        assert bs2("AllocateUsbContext") is None


if __name__ == "__main__":
    what_is_read_and_reported_is_the_truth()
    the_last_byte_may_be_a_bool()
    an_answer_may_begin_with_the_id()
    every_third_call_may_fail()
    answers_may_be_late_and_too_late()
    readers_may_connect_by_themselves()
    a_context_may_be_released_inside_a_callback()
    a_release_waits_a_second_for_all_callbacks_together()
    bad_settings_are_named()
    what_is_not_simulated_says_so()
    assert LIBRARY.BS2SIM_HeldObjects() == 0
    print("all is well")
