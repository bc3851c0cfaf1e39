/* A program for the vendor's library. It makes every call, outside and inside callbacks.
 *
 * It ends with 0 and one line, or with 1 and the line number of the first check that failed. It never sleeps.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bs2_events_sim.h"

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                   \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)
#define OK(call) CHECK((call) == BS_SDK_SUCCESS)
#define FAILS(call, code) CHECK((call) == (code))

enum { READERS = 2, BACKLOG = 600, FIRST_READER = 541000001, NOBODY = 99, PATIENCE_SECONDS = 60 };

/* What the callbacks have received, and what they shall do. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *context;
    int found, accepted, connected, disconnected;
    int connect_when_accepted, disconnect_when_connected, connect_when_disconnected;
    int live, live_too, warm, stop_at, stopped;
    uint32_t last;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void count(int *counter) {
    pthread_mutex_lock(&seen.lock);
    *counter += 1;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static void await(const char *what, const int *counter, int wanted) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    pthread_mutex_lock(&seen.lock);
    while (*counter < wanted) {
        if (pthread_cond_timedwait(&seen.changed, &seen.lock, &until) != 0) {
            fprintf(stderr, "%s: %d instead of %d\n", what, *counter, wanted);
            exit(1);
        }
    }
    pthread_mutex_unlock(&seen.lock);
}
#define AWAIT(counter, wanted) await(#counter, &seen.counter, wanted)

static void on_found(uint32_t device) {
    BS2SimpleDeviceInfo info;
    OK(BS2_GetDeviceInfo(seen.context, device, &info));
    CHECK(info.id == device);
    count(&seen.found);
}

static void on_accepted(uint32_t device) {
    if (seen.connect_when_accepted) OK(BS2_ConnectDevice(seen.context, device));
    count(&seen.accepted);
}

static void on_connected(uint32_t device) {
    if (seen.disconnect_when_connected) {
        seen.disconnect_when_connected = 0;
        OK(BS2_DisconnectDevice(seen.context, device));
    }
    count(&seen.connected);
}

static void on_disconnected(uint32_t device) {
    if (seen.connect_when_disconnected) {
        seen.connect_when_disconnected = 0;
        OK(BS2_ConnectDevice(seen.context, device));
    }
    count(&seen.disconnected);
}

/* Reads the log, and may stop the monitoring, inside the callback. */
static void on_log(uint32_t device, const BS2Event *event) {
    BS2Event *logs;
    uint32_t n;
    CHECK(event->deviceID == device);
    OK(BS2_GetLog(seen.context, device, event->id - 1, 1, &logs, &n));
    CHECK(n == 1 && memcmp(logs, event, sizeof *event) == 0);
    BS2_ReleaseObject(logs);
    pthread_mutex_lock(&seen.lock);
    CHECK(seen.last == 0 || event->id == seen.last + 1);
    seen.last = event->id;
    int stop = ++seen.live == seen.stop_at;
    pthread_mutex_unlock(&seen.lock);
    if (stop) {
        OK(BS2_StopMonitoringLog(seen.context, device));
        count(&seen.stopped);
    }
}

static void on_log_too(uint32_t device, const BS2Event *event) {
    CHECK(event->deviceID == device);
    count(&seen.live_too);
}

static void on_log_ex(uint32_t device, const BS2Event *event, uint32_t temperature) {
    CHECK(event->deviceID == device);
    CHECK(temperature == 0 || (temperature >= 3500 && temperature <= 4200));
    pthread_mutex_lock(&seen.lock);
    seen.last = event->id;
    seen.warm += temperature != 0;
    pthread_mutex_unlock(&seen.lock);
    count(&seen.live);
}

static void errors_before(void *context) {
    uint32_t device, n;
    BS2Event *logs = (BS2Event *)&n;
    FAILS(BS2_Initialize(NULL), BS_SDK_ERROR_NULL_POINTER);
    FAILS(BS2_ConnectDeviceViaIP(context, "127.0.0.1", 51211, &device), BS_SDK_ERROR_UNINITIALIZED);
    FAILS(BS2_GetLog(context, FIRST_READER, 0, 1, &logs, &n), BS_SDK_ERROR_UNINITIALIZED);
    CHECK(logs == NULL && n == 0);
    FAILS(BS2_SearchDevices(context), BS_SDK_ERROR_UNINITIALIZED);
    FAILS(BS2_StartMonitoringLog(context, FIRST_READER, on_log), BS_SDK_ERROR_UNINITIALIZED);
    BS2_ReleaseContext(NULL);
    BS2_ReleaseObject(NULL);
    BS2_ReleaseObject(&n);
}

static void errors_after(void *context, uint32_t device) {
    uint32_t n;
    uint8_t *image;
    BS2Event *logs;
    FAILS(BS2_Initialize(context), BS_SDK_ERROR_EXIST);
    FAILS(BS2_ConnectDeviceViaIP(context, "127.0.0.1", 51210, &n), BS_SDK_ERROR_CANNOT_CONNECT_SOCKET);
    FAILS(BS2_ConnectDeviceViaIP(context, "10.0.0.1", 51211, &n), BS_SDK_ERROR_CANNOT_CONNECT_SOCKET);
    FAILS(BS2_ConnectDeviceViaIP(context, "reader", 51211, &n), BS_SDK_ERROR_INVALID_ADDRESS);
    FAILS(BS2_ConnectDeviceViaIP(context, NULL, 51211, &n), BS_SDK_ERROR_NULL_POINTER);
    FAILS(BS2_ConnectDeviceViaIP(context, "127.0.0.1", 51211, NULL), BS_SDK_ERROR_NULL_POINTER);
    FAILS(BS2_ConnectDevice(context, NOBODY), BS_SDK_ERROR_CANNOT_FIND_DEVICE);
    FAILS(BS2_GetLog(context, NOBODY, 0, 1, &logs, &n), BS_SDK_ERROR_CANNOT_FIND_DEVICE);
    FAILS(BS2_GetLog(context, device, 0, 1, NULL, &n), BS_SDK_ERROR_NULL_POINTER);
    FAILS(BS2_GetLog(context, device, 0, 1, &logs, NULL), BS_SDK_ERROR_NULL_POINTER);
    FAILS(BS2_GetLog(&n, device, 0, 1, &logs, &n), BS_SDK_ERROR_INVALID_PARAM);
    FAILS(BS2_StartMonitoringLog(context, device, NULL), BS_SDK_ERROR_NULL_POINTER);
    FAILS(BS2_GetImageLog(context, device, 0xFFFFFFFF, &image, &n), BS_SDK_ERROR_CANNOT_FIND_LOG);
    CHECK(image == NULL && n == 0);
    FAILS(BS2_GetDeviceTime(context, device, NULL), BS_SDK_ERROR_NULL_POINTER);
}

static void settings(void *context) {
    uint16_t port;
    long ms;
    int on;
    OK(BS2_SetServerPort(context, 50000));
    OK(BS2_GetServerPort(context, &port));
    CHECK(port == 50000);
    OK(BS2_SetSSLHandler(context, NULL, NULL, NULL, NULL, NULL, NULL));
    OK(BS2_SetKeepAliveTimeout(context, 30000));
    OK(BS2_SetDefaultResponseTimeout(context, 20000));
    OK(BS2_GetDefaultResponseTimeout(context, &ms));
    CHECK(ms == 20000);
    OK(BS2_IsAutoConnection(context, &on));
    CHECK(on == 0);
}

static void what_a_reader_is(void *context, uint32_t device) {
    BS2SimpleDeviceInfo info;
    BS2SimpleDeviceInfoEx extension;
    BS2DeviceCapabilities capabilities;
    BS2FactoryConfig factory;
    BS2SystemConfig system;
    BS2DstConfig dst = {{1, 2, 3}}, dst_again;
    BS2EventConfig events, events_again;
    uint32_t n, now;
    void *nodes;
    int connected;
    OK(BS2_GetDeviceInfoEx(context, device, &info, &extension));
    CHECK(info.id == device && info.port == 51211 && memcmp(info.ipv4Address, "\x7F\0\0\x01", 4) == 0);
    CHECK(info.type == 0x23 && info.imageLogSupported == 1 && info.useAlphanumericID == 1);
    CHECK(info.faceSupported == 1 && info.cardSupported == 0 && info.fingerSupported == 0);
    OK(BS2_GetDeviceCapabilities(context, device, &capabilities));
    CHECK(capabilities.maxEventLogs == 50000 && capabilities.maxImageLogs > 0);
    OK(BS2_GetFactoryConfig(context, device, &factory));
    CHECK(factory.deviceID == device && strcmp(factory.modelName, "simulated reader") == 0);
    CHECK(memcmp(factory.macAddr, "\x02\0\x20\x3F\x01\x41", 6) == 0);
    OK(BS2_GetSystemConfig(context, device, &system));
    CHECK(abs(system.timezone) <= 15 * 3600 && system.timezone % 1800 == 0);
    system.timezone = -3600;
    OK(BS2_SetSystemConfig(context, device, &system));
    system.timezone = 0;
    OK(BS2_GetSystemConfig(context, device, &system));
    CHECK(system.timezone == -3600);
    OK(BS2_SetDstConfig(context, device, &dst));
    OK(BS2_GetDstConfig(context, device, &dst_again));
    CHECK(memcmp(&dst, &dst_again, sizeof dst) == 0);
    OK(BS2_GetEventConfig(context, device, &events));
    CHECK(events.numImageEventFilter > 0);
    OK(BS2_SetEventConfig(context, device, &events));
    OK(BS2_GetEventConfig(context, device, &events_again));
    CHECK(memcmp(&events, &events_again, sizeof events) == 0);
    events.numImageEventFilter = 33;
    FAILS(BS2_SetEventConfig(context, device, &events), BS_SDK_ERROR_INVALID_PARAM);
    OK(BS2_GetDeviceTopology(context, device, &nodes, &n));
    CHECK(nodes != NULL && n == 1);
    BS2_ReleaseObject(nodes);
    OK(BS2_IsConnected(context, device, &connected));
    CHECK(connected == 1);
    OK(BS2_SetDeviceTime(context, device, 1800000000));
    OK(BS2_GetDeviceTime(context, device, &now));
    CHECK(now == 1800000000);
}

/* Reads pages of seven after the last id; returns the last id. */
static uint32_t whole_log(void *context, uint32_t device, uint32_t *images) {
    uint32_t last = 0, n, all = 0;
    BS2Event *logs;
    *images = 0;
    for (;;) {
        OK(BS2_GetLog(context, device, last, 7, &logs, &n));
        CHECK(n <= 7 && (n > 0) == (logs != NULL));
        if (n == 0) break;
        for (uint32_t i = 0; i < n; i++) {
            CHECK(logs[i].id > last && logs[i].deviceID == device);
            last = logs[i].id;
            *images += (logs[i].flags & BS2_EVENT_FLAG_IMAGE) != 0;
        }
        all += n;
        BS2_ReleaseObject(logs);
        BS2_ReleaseObject(logs); /* a second release does no harm */
    }
    OK(BS2_GetLog(context, device, 0, 0, &logs, &n));
    CHECK(n == all && logs[n - 1].id == last);
    BS2_ReleaseObject(logs);
    return last;
}

static void blobs(void *context, uint32_t device, uint32_t images) {
    BS2Event *logs;
    BS2EventBlob *large;
    uint32_t n, m;
    OK(BS2_GetLog(context, device, 0, 50, &logs, &n));
    OK(BS2_GetLogBlob(context, device, BS2_EVENT_MASK_ALL, 0, 50, &large, &m));
    CHECK(n == 50 && m == 50);
    for (uint32_t i = 0; i < n; i++) {
        CHECK(large[i].id == logs[i].id && large[i].code == logs[i].code);
        CHECK(large[i].eventMask & BS2_EVENT_MASK_INFO);
        int image = (large[i].eventMask & BS2_EVENT_MASK_IMAGE) != 0;
        CHECK(image == (logs[i].flags & BS2_EVENT_FLAG_IMAGE));
        if (image) CHECK(large[i].imageSize > 2 && large[i].image[0] == 0xFF && large[i].image[1] == 0xD8);
    }
    BS2_ReleaseObject(logs);
    BS2_ReleaseObject(large);

    /* The other mask: only blobs with an image, and only the image. */
    BS2EventSmallBlob *small;
    OK(BS2_GetLogSmallBlob(context, device, BS2_EVENT_MASK_IMAGE, 0, 0, &small, &n));
    CHECK(n == images && BS2SIM_HeldObjects() == n + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *image, *inside = small[i].imageObj;
        CHECK(small[i].eventMask == BS2_EVENT_MASK_IMAGE && inside != NULL);
        OK(BS2_GetImageLog(context, device, small[i].id, &image, &m));
        CHECK(m == small[i].imageSize && memcmp(image, inside, m) == 0);
        BS2_ReleaseObject(image);
        BS2_ReleaseObject(inside);
    }
    BS2_ReleaseObject(small);

    /* The array is released first, its images after it. */
    BS2EventSmallBlobEx *warm;
    uint32_t temperatures = 0;
    OK(BS2_GetLogSmallBlobEx(context, device, BS2_EVENT_MASK_ALL, 0, 0, &warm, &n));
    uint8_t **inside = calloc(n, sizeof *inside);
    CHECK(inside != NULL);
    for (uint32_t i = 0; i < n; i++) {
        inside[i] = warm[i].blob.imageObj;
        temperatures += (warm[i].blob.eventMask & BS2_EVENT_MASK_TEMPERATURE) && warm[i].temperature > 3000;
    }
    CHECK(temperatures > 0);
    BS2_ReleaseObject(warm);
    for (uint32_t i = 0; i < n; i++) BS2_ReleaseObject(inside[i]);
    free(inside);
    CHECK(BS2SIM_HeldObjects() == 0);
}

static void filtered(void *context, uint32_t device) {
    BS2Event *logs, *mine;
    uint32_t n, m;
    char user[33] = {0};
    OK(BS2_GetFilteredLog(context, device, NULL, 0x1300, 0, 0, 0, &logs, &n));
    CHECK(n > 0);
    for (uint32_t i = 0; i < n; i++) CHECK(logs[i].code >> 8 == 0x13);
    memcpy(user, logs[0].userID, 32);
    OK(BS2_GetFilteredLogSinceEventId(context, device, user, 0, 0, 0, 0, logs[0].id - 1, 1, &mine, &m));
    CHECK(m == 1 && mine[0].id == logs[0].id);
    BS2_ReleaseObject(mine);
    BS2_ReleaseObject(logs);
}

static void live(void *context, uint32_t device) {
    seen.stop_at = 100;
    OK(BS2_StartMonitoringLog(context, device, on_log));
    OK(BS2SIM_MakeEvents(context, device, 150));
    AWAIT(stopped, 1);
    OK(BS2_StopMonitoringLog(context, device));
    CHECK(seen.live == 100);

    seen.live = 0;
    OK(BS2_StartMonitoringLogEx(context, device, on_log_ex));
    OK(BS2_StartMonitoringLogEx(context, device, on_log_ex)); /* replaces the first */
    OK(BS2_StartMonitoringLog(context, device, on_log_too));  /* runs at the same time */
    OK(BS2SIM_MakeEvents(context, device, 80));
    AWAIT(live, 80);
    AWAIT(live_too, 80);
    OK(BS2_StopMonitoringLog(context, device));
    OK(BS2SIM_MakeEvents(context, device, 5));
    CHECK(seen.live == 80 && seen.live_too == 80 && seen.warm > 0);
}

static void connections(void *context, uint32_t device) {
    BS2Event *logs;
    uint32_t n;
    int connected = seen.connected, disconnected = seen.disconnected;
    OK(BS2_StartMonitoringLogEx(context, device, on_log_ex));
    seen.connect_when_disconnected = 1;
    seen.connect_when_accepted = 0;
    OK(BS2SIM_LoseConnection(context, device));
    AWAIT(disconnected, disconnected + 1);
    AWAIT(connected, connected + 1);
    seen.live = 0;
    OK(BS2_StartMonitoringLogEx(context, device, on_log_ex));
    OK(BS2SIM_MakeEvents(context, device, 3));
    AWAIT(live, 3);

    OK(BS2_DisconnectDevice(context, device));
    AWAIT(disconnected, disconnected + 2);
    FAILS(BS2_GetLog(context, device, 0, 1, &logs, &n), BS_SDK_ERROR_SOCKET_IS_NOT_CONNECTED);
    FAILS(BS2_DisconnectDevice(context, device), BS_SDK_ERROR_SOCKET_IS_NOT_CONNECTED);
    seen.disconnect_when_connected = 1;
    OK(BS2_ConnectDevice(context, device));
    AWAIT(disconnected, disconnected + 3);
    OK(BS2_ConnectDevice(context, device));
}

int main(void) {
    uint32_t device, n, images, *list;
    BS2Event *logs;
    void *context = seen.context = BS2_AllocateContext();
    CHECK(context != NULL && strstr(BS2_Version(), "simulated") != NULL);
    settings(context);
    errors_before(context);
    seen.connect_when_accepted = 1;
    OK(BS2_SetDeviceEventListener(context, on_found, on_accepted, on_connected, on_disconnected));
    OK(BS2_Initialize(context));
    AWAIT(accepted, READERS);
    AWAIT(connected, READERS);
    OK(BS2_SearchDevices(context));
    CHECK(seen.found == READERS);
    OK(BS2_GetDevices(context, &list, &n));
    CHECK(n == READERS && list[0] == FIRST_READER && list[1] == FIRST_READER + 1);
    BS2_ReleaseObject(list);

    OK(BS2_ConnectDeviceViaIP(context, "127.0.0.1", 51211, &device));
    CHECK(device == FIRST_READER);
    errors_after(context, device);
    CHECK(whole_log(context, device, &images) == BACKLOG && images > 0);
    blobs(context, device, images);
    filtered(context, device);
    what_a_reader_is(context, device);
    live(context, device);
    connections(context, device);
    uint32_t last = whole_log(context, device, &images);
    OK(BS2_ClearLog(context, device));
    OK(BS2_GetLog(context, device, 0, 0, &logs, &n));
    CHECK(n == 1 && logs[0].id == last + 1 && logs[0].code == 0x4200);
    BS2_ReleaseObject(logs);
    CHECK(BS2SIM_HeldObjects() == 0);
    BS2_ReleaseContext(context);
    FAILS(BS2_SearchDevices(context), BS_SDK_ERROR_INVALID_PARAM);
    printf("all is well\n");
    return 0;
}
