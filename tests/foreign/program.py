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
    "DisconnectDevice": [PTR, U32],
    "GetSlaveDevice": [PTR, U32, ctypes.POINTER(PTR), ctypes.POINTER(U32)],
    "GetSlaveExDevice": [PTR, U32, U32, ctypes.POINTER(PTR), ctypes.POINTER(U32), ctypes.POINTER(U32)],
    "SetSlaveDevice": [PTR, U32, PTR, U32],
    "GetImageLog": [PTR, U32, U32, ctypes.POINTER(PTR), ctypes.POINTER(U32)],
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
    with Context("old-flag-byte=1&connections=0") as context:
        old = context.logs(context.connect())[1]
    with Context("old-flag-byte=0&connections=0") as context:
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


def what_devices_do_before_the_listener_is_set_is_heard():
    none = ON_DEVICE()
    for pause in [0, 0, 0, 0.0002, 0.001, 0.005, 0.02] * 20:
        heard, all_heard = [], threading.Event()

        def on_connected(device):
            heard.append(device)
            if len(heard) == 3:
                all_heard.set()

        callback = ON_DEVICE(on_connected)
        with Context("devices=3&backlog=0") as context:
            assert bs2("SetAutoConnection", context.pointer, 1) == 1
            time.sleep(pause)
            assert bs2("SetDeviceEventListener", context.pointer, none, none, callback, none) == 1
            assert all_heard.wait(PATIENCE), (pause, heard)
        assert sorted(heard) == [FIRST, FIRST + 1, FIRST + 2], (pause, heard)


def code_of(record):
    return struct.unpack_from("<H", record, 44)[0]


def a_device_logs_that_the_program_connects_and_disconnects():
    with Context("devices=1&backlog=5&seed=77") as context:
        device = context.connect()
        records = context.logs(device)[1]
        assert [event_id(record) for record in records] == [1, 2, 3, 4, 5, 6]
        assert code_of(records[5]) == 0x3B00
        assert bs2("DisconnectDevice", context.pointer, device) == 1
        assert context.connect() == device
        assert LIBRARY.BS2SIM_LoseConnection(context.pointer, U32(device)) == 1
        assert context.connect() == device
        codes = [code_of(record) for record in context.logs(device, 5)[1]]
        assert codes == [0x3B00, 0x3C00, 0x3B00, 0x3C00, 0x3B00]
    with Context("devices=1&backlog=5&seed=77") as context:
        codes = [code_of(record) for record in context.logs(context.connect(), 10)[1]]
        assert codes == [0x3C00, 0x3B00], "the end of a context ends its connections"


def the_log_ends_now_and_live_events_carry_the_present_second():
    live, enough = [], threading.Event()

    def on_log(_device, event):
        live.append((struct.unpack_from("<I", ctypes.string_at(event, 48), 4)[0], time.time()))
        if len(live) == 5:
            enough.set()

    callback = ON_LOG(on_log)
    with Context("devices=1&backlog=300&seed=78&rate=20") as context:
        device = context.connect()
        times = [struct.unpack_from("<I", record, 4)[0] for record in context.logs(device)[1]]
        assert len(times) >= 300 and 0 <= time.time() - times[299] < 30 and times == sorted(times)
        assert bs2("StartMonitoringLog", context.pointer, device, callback) == 1
        assert enough.wait(PATIENCE)
        assert all(0 <= now - second < 5 for second, now in live), live


def slaves_are_listed_and_their_events_are_in_the_log_of_the_device():
    with Context("devices=1&backlog=2000&slaves=2&connections=0") as context:
        device, slaves, count, channel = context.connect(), PTR(), U32(), U32(9)
        assert bs2("GetSlaveDevice", context.pointer, device, slaves, count) == 1 and count.value == 2
        listed = [struct.unpack_from("<IHBB", ctypes.string_at(slaves, 16), at) for at in (0, 8)]
        assert [one[1:] for one in listed] == [(0x80, 1, 1)] * 2
        assert bs2("SetSlaveDevice", context.pointer, device, slaves, 2) == 1
        bs2("ReleaseObject", slaves)
        assert bs2("GetSlaveExDevice", context.pointer, device, 0, slaves, channel, count) == 1
        assert (count.value, channel.value) == (2, 0)
        numbers = [struct.unpack_from("<I", ctypes.string_at(slaves, 24), at)[0] for at in (0, 12)]
        bs2("ReleaseObject", slaves)
        assert numbers == [one[0] for one in listed]
        makers = {struct.unpack_from("<I", record, 8)[0] for record in context.logs(device)[1]}
        assert makers == {device, *numbers}
        assert bs2("ConnectDevice", context.pointer, numbers[0]) == -907


def exactly_the_event_that_a_test_wants_is_logged_and_reported():
    seen, done = [], threading.Event()

    def on_log(device, event):
        seen.append((device, ctypes.string_at(event, 48)))
        done.set()

    callback, slave, number = ON_LOG(on_log), 542_000_001, U32()
    with Context("office=0") as context:
        device = context.connect()
        assert context.logs(device)[1] == [], "not even the connection"
        assert bs2("StartMonitoringLog", context.pointer, device, callback) == 1
        denied = struct.pack("<III32sHBB", 99, 1_772_441_940, slave, b"42", 0x1900, 0, 0)
        assert LIBRARY.BS2SIM_PushEvent(context.pointer, U32(device), denied, ctypes.byref(number)) == 1
        assert done.wait(PATIENCE)
        expected = struct.pack("<I", 1) + denied[4:]
        assert number.value == 1 and seen == [(device, expected)]
        assert context.logs(device)[1] == [expected]


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
    what_devices_do_before_the_listener_is_set_is_heard()
    a_device_logs_that_the_program_connects_and_disconnects()
    the_log_ends_now_and_live_events_carry_the_present_second()
    slaves_are_listed_and_their_events_are_in_the_log_of_the_device()
    exactly_the_event_that_a_test_wants_is_logged_and_reported()
    a_context_may_be_released_inside_a_callback()
    a_release_waits_a_second_for_all_callbacks_together()
    bad_settings_are_named()
    what_is_not_simulated_says_so()
    assert LIBRARY.BS2SIM_HeldObjects() == 0
    print("all is well")
