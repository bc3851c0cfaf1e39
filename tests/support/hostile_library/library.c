/* A library with the vendor's interface that misbehaves on demand.
 *
 * Eight devices at 127.0.0.1, ports 51211 and up, with ids 1000 and up. A test sets faults with stub_set and stub_hang,
 * makes events with stub_make_events, and counts unreleased objects with stub_objects, stub_await_objects and
 * stub_wrong_releases. The declarations follow measured layouts.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEVICES 8
#define FIRST_ID 1000u
#define FIRST_PORT 51211
#define SUCCESS 1

typedef struct {
    uint32_t id, time, device;
    uint8_t subject[32];
    uint16_t code;
    uint8_t param, bits;
} Event;

typedef struct __attribute__((packed)) {
    uint16_t mask;
    uint32_t id, time, device;
    uint16_t code;
    uint8_t reserved2[2];
    uint8_t subject[32];
    uint8_t tna_key;
    uint32_t job_code;
    uint16_t image_size;
    uint8_t *image;
    uint8_t reserved;
} SmallBlob;

typedef struct __attribute__((packed)) {
    SmallBlob small;
    uint32_t temperature;
} SmallBlobEx;

typedef struct __attribute__((packed)) {
    uint8_t head[57];
    uint8_t image[16384];
    uint8_t reserved;
} Blob;

_Static_assert(sizeof(Event) == 48, "event");
_Static_assert(sizeof(SmallBlob) == 58 + sizeof(void *), "small blob");
_Static_assert(sizeof(SmallBlobEx) == 62 + sizeof(void *), "small blob ex");
_Static_assert(sizeof(Blob) == 16442, "blob");

typedef void (*OnDevice)(uint32_t);
typedef void (*OnLog)(uint32_t, const Event *);
typedef void (*OnLogEx)(uint32_t, const Event *, uint32_t);

static struct {
    Event *log;
    uint32_t count, room, next;
    int connected, monitored;
    OnLog on_log, last_on_log;
    OnLogEx on_log_ex, last_on_log_ex;
    uint8_t config[292];
} readers[DEVICES];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static OnDevice on_found, on_accepted, on_connected, on_disconnected;
static char hanging[64];
static int inside, contexts;
static uint64_t dice = 88172645463325252ull;

/* The faults; see stub_set. */
static struct { const char *name; int64_t value; } settings[] = {
    {"inclusive", 0},      /* pages begin with the given id */
    {"reverse", 0},        /* pages end with the oldest event */
    {"swap", 0},           /* neighbours in the log are swapped */
    {"repeat", 0},         /* every event occurs twice */
    {"null_with_count", 0},/* this many records at NULL */
    {"count", 0},          /* this count instead of the true one */
    {"object_if_empty", 0},/* an object for an empty page */
    {"same_id", 0},        /* every event has this id */
    {"all", 0},            /* the amount is ignored */
    {"most", 0},           /* no page has more records */
    {"flood", 0},          /* full pages, all records with this id */
    {"random_codes", 0},   /* one of this many calls fails with a random code */
    {"code", 0},           /* every call fails with this code */
    {"never_connected", 0},/* BS2_IsConnected returns 0 */
    {"image_null", 0},     /* images have a size and address NULL */
    {"image_shared", 0},   /* every record points to the same image */
    {"image_size", 0},     /* this size instead of the true one */
    {"gone_at_once", 0},   /* this many connections are lost before connecting returns */
    {"no_id", 0},          /* connecting returns no id */
    {"other_id", 0},       /* connecting returns this id */
    {"too_new", 0},        /* the device lacks this many of the newest functions */
    {"filters", 0},        /* this count of image filters */
    {"report_disconnect", 1},
};

static int64_t setting(const char *name) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!strcmp(settings[i].name, name)) return settings[i].value;
    abort();
}

int stub_set(const char *name, int64_t value) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!strcmp(settings[i].name, name)) return settings[i].value = value, 1;
    return 0;
}

/* ---- objects: each must be released once ---- */

static struct { void *at; const void *array; } objects[1 << 16]; /* array: the array of an image */
static int object_count, wrong_releases;

static void *give_picture(size_t size, const void *array) {
    void *object = malloc(size ? size : 1);
    pthread_mutex_lock(&lock);
    if (object_count == 1 << 16) abort();
    objects[object_count].array = array;
    objects[object_count++].at = object;
    pthread_mutex_unlock(&lock);
    return object;
}

static void *give(size_t size) { return give_picture(size, NULL); }

static int enter(const char *name);

void BS2_ReleaseObject(void *object) {
    if (!object) return;
    enter(__func__);
    pthread_mutex_lock(&lock);
    int at = object_count;
    while (at-- && objects[at].at != object) {}
    if (at >= 0) objects[at] = objects[--object_count];
    else wrong_releases++;
    /* An array must outlive its images. */
    for (int i = 0; i < object_count; i++) wrong_releases += objects[i].array == object;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (at >= 0) free(object);
}

int stub_objects(void) {
    pthread_mutex_lock(&lock);
    int count = object_count;
    pthread_mutex_unlock(&lock);
    return count;
}

/* Waits until none is left, at most ten seconds, and returns how many are left. */
int stub_await_objects(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&lock);
    while (object_count && !pthread_cond_timedwait(&changed, &lock, &until)) {}
    int count = object_count;
    pthread_mutex_unlock(&lock);
    return count;
}

int stub_wrong_releases(void) {
    pthread_mutex_lock(&lock);
    int count = wrong_releases;
    pthread_mutex_unlock(&lock);
    return count;
}

/* ---- what every call does first ---- */

static int enter(const char *name) {
    pthread_mutex_lock(&lock);
    inside++;
    while (!strcmp(hanging, name)) pthread_cond_wait(&changed, &lock);
    inside--;
    int code = SUCCESS;
    int64_t every = setting("random_codes");
    if (every) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        if (dice % (uint64_t)every == 0) {
            static const int32_t codes[] = {-1, -102, -105, -107, -200, -201, -202, -600, -601, -712, -725, -907,
                                            -2002, -10000, -10001, -10007, 0, 2, 13, 77, -99999, INT32_MIN, INT32_MAX};
            code = codes[(dice >> 32) % (sizeof codes / sizeof *codes)];
        }
    }
    if (setting("code")) code = (int)setting("code");
    pthread_mutex_unlock(&lock);
    return code;
}

#define ENTER() do { int code = enter(__func__); if (code != SUCCESS) return code; } while (0)

/* Blocks calls of this function; NULL lets them return. */
void stub_hang(const char *name) {
    pthread_mutex_lock(&lock);
    strncpy(hanging, name ? name : "", sizeof hanging - 1);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int reader(uint32_t device) {
    return device - FIRST_ID < DEVICES ? (int)(device - FIRST_ID) : -1;
}

#define READER()                                                \
    ENTER();                                                    \
    (void)context;                                              \
    int at = reader(device);                                    \
    if (at < 0) return -907;                                    \
    pthread_mutex_lock(&lock);                                  \
    int is_connected = readers[at].connected;                   \
    pthread_mutex_unlock(&lock);                                \
    if (!is_connected) return -107

/* ---- the context ---- */

const char *BS2_Version(void) { return "9.9.9\nhostile"; }

void *BS2_AllocateContext(void) {
    /* The program that loaded it may set nothing itself. */
    const char *hang = getenv("HOSTILE_HANG");
    if (hang) stub_hang(hang);
    const char *texts = getenv("HOSTILE");
    while (texts && *texts) {
        char name[64];
        size_t length = strcspn(texts, "=");
        if (length >= sizeof name) abort();
        memcpy(name, texts, length), name[length] = 0;
        char *end;
        if (!stub_set(name, strtoll(texts + length + 1, &end, 0))) abort();
        texts = *end ? end + 1 : end;
    }
    const char *backlog = getenv("HOSTILE_BACKLOG");
    void stub_make_events(uint32_t, uint32_t);
    if (backlog)
        for (uint32_t i = 0; i < DEVICES; i++) stub_make_events(FIRST_ID + i, (uint32_t)atoi(backlog));
    return contexts++ ? NULL : &contexts;
}

void BS2_ReleaseContext(void *context) {
    (void)context;
    enter(__func__);
    contexts--;
    for (int i = 0; i < DEVICES; i++) readers[i].connected = readers[i].monitored = 0;
}

int BS2_Initialize(void *context) { (void)context; ENTER(); return SUCCESS; }
int BS2_SetServerPort(void *context, uint16_t port) { (void)context; ENTER(); return port ? SUCCESS : -200; }
int BS2_SetDefaultResponseTimeout(void *context, long ms) { (void)context; return ms > 0 ? SUCCESS : -200; }

int BS2_SetDeviceEventListener(void *context, OnDevice found, OnDevice accepted, OnDevice connected, OnDevice gone) {
    (void)context;
    on_found = found, on_accepted = accepted, on_connected = connected, on_disconnected = gone;
    return SUCCESS;
}

int BS2_SearchDevices(void *context) {
    (void)context;
    ENTER();
    if (on_found) on_found(FIRST_ID + 1);
    return SUCCESS;
}

int BS2_GetDevices(void *context, uint32_t **ids, uint32_t *count) {
    (void)context;
    ENTER();
    *ids = give(2 * sizeof **ids), *count = 2;
    (*ids)[0] = FIRST_ID + 3, (*ids)[1] = FIRST_ID;
    return SUCCESS;
}

void stub_disconnect(uint32_t);

static void connected(int at) {
    pthread_mutex_lock(&lock);
    readers[at].connected = 1;
    pthread_mutex_unlock(&lock);
    if (on_connected) on_connected(FIRST_ID + (uint32_t)at);
}

int BS2_ConnectDeviceViaIP(void *context, const char *address, uint16_t port, uint32_t *device) {
    (void)context;
    ENTER();
    if (strcmp(address, "127.0.0.1") || port < FIRST_PORT || port >= FIRST_PORT + DEVICES) return -102;
    if (setting("no_id")) return SUCCESS;
    int at = port - FIRST_PORT;
    if (setting("other_id")) at = reader((uint32_t)setting("other_id"));
    connected(at);
    *device = FIRST_ID + (uint32_t)at;
    if (setting("gone_at_once")) stub_set("gone_at_once", setting("gone_at_once") - 1), stub_disconnect(*device);
    return SUCCESS;
}

int BS2_ConnectDevice(void *context, uint32_t device) {
    (void)context;
    ENTER();
    int at = reader(device);
    if (at < 0) return -907;
    connected(at);
    return SUCCESS;
}

int BS2_DisconnectDevice(void *context, uint32_t device) {
    READER();
    stub_disconnect(device);
    return SUCCESS;
}

int BS2_IsConnected(void *context, uint32_t device, int *connected) {
    (void)context;
    ENTER();
    int at = reader(device);
    if (at < 0) return -907;
    pthread_mutex_lock(&lock);
    *connected = readers[at].connected && !setting("never_connected");
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

/* ---- device information ---- */

int BS2_GetDeviceInfo(void *context, uint32_t device, uint8_t *info) {
    READER();
    memset(info, 0xA5, 46 + 64); /* as with a longer structure of a newer library */
    memcpy(info, &device, 4);
    memcpy(info + 7, "\x7F\0\0\x01", 4);
    return SUCCESS;
}

int BS2_GetFactoryConfig(void *context, uint32_t device, uint8_t *config) {
    READER();
    memset(config, 0xA5, 188);
    memcpy(config + 12, "Hostile\nReader", 15);
    memcpy(config + 56, "\x02\x0B\x01", 4);
    return SUCCESS;
}

int BS2_GetDeviceCapabilities(void *context, uint32_t device, uint32_t *capabilities) {
    READER();
    memset(capabilities, 0xA5, 512);
    capabilities[1] = 50000, capabilities[2] = 100;
    return SUCCESS;
}

int BS2_GetDeviceTime(void *context, uint32_t device, uint32_t *time) {
    READER();
    *time = 1700000000;
    return SUCCESS;
}

int BS2_GetEventConfig(void *context, uint32_t device, uint8_t *config) {
    READER();
    memcpy(config, readers[at].config, 292);
    uint32_t filters = (uint32_t)setting("filters");
    if (filters) memcpy(config, &filters, 4);
    return SUCCESS;
}

int BS2_SetEventConfig(void *context, uint32_t device, const uint8_t *config) {
    READER();
    memcpy(readers[at].config, config, 292);
    return SUCCESS;
}

/* ---- the log ---- */

static Event *chosen(int at, uint32_t after, uint32_t amount, uint32_t *count) {
    pthread_mutex_lock(&lock);
    Event *log = malloc((readers[at].count + 1) * sizeof *log);
    uint32_t all = readers[at].count;
    memcpy(log, readers[at].log, all * sizeof *log);
    pthread_mutex_unlock(&lock);
    if (setting("swap"))
        for (uint32_t i = 0; i + 1 < all; i += 2) { Event e = log[i]; log[i] = log[i + 1]; log[i + 1] = e; }
    if (setting("reverse"))
        for (uint32_t i = 0; i < all / 2; i++) { Event e = log[i]; log[i] = log[all - 1 - i]; log[all - 1 - i] = e; }
    int inclusive = setting("inclusive") && after, twice = setting("repeat") ? 2 : 1;
    Event *answer = malloc(((size_t)all * twice + 1) * sizeof *answer);
    *count = 0;
    for (uint32_t i = 0; i < all; i++)
        for (int n = 0; n < twice; n++)
            if ((log[i].id > after || (inclusive && log[i].id == after))
                && (setting("all") || !amount || *count < amount)
                && (!setting("most") || *count < setting("most")))
                answer[(*count)++] = log[i];
    if (setting("same_id"))
        for (uint32_t i = 0; i < *count; i++) answer[i].id = (uint32_t)setting("same_id");
    free(log);
    return answer;
}

static uint32_t last_amount;
int stub_last_amount(void) { return (int)last_amount; }

int BS2_GetLog(void *context, uint32_t device, uint32_t after, uint32_t amount, Event **logs, uint32_t *count) {
    READER();
    last_amount = amount;
    if (setting("null_with_count")) return *count = (uint32_t)setting("null_with_count"), SUCCESS;
    uint32_t true_count;
    Event *answer = chosen(at, after, amount, &true_count);
    if (setting("flood")) {
        answer = realloc(answer, amount * sizeof *answer);
        for (true_count = 0; true_count < amount; true_count++) {
            answer[true_count] = readers[at].log[0];
            answer[true_count].id = (uint32_t)setting("flood");
        }
    }
    *count = setting("count") ? (uint32_t)setting("count") : true_count;
    if (true_count || setting("object_if_empty")) {
        *logs = give(true_count * sizeof **logs);
        memcpy(*logs, answer, true_count * sizeof **logs);
    }
    free(answer);
    return SUCCESS;
}

/* Images of the events whose id is divisible by three. */
static uint16_t picture_size(uint32_t id) { return id % 3 ? 0 : (uint16_t)(100 + id % 50); }

static int fill_small(uint32_t at, const Event *event, uint16_t mask, SmallBlob *blob, uint8_t **shared,
                      const void *array) {
    uint16_t has = 0x0001 | 0x0002 | 0x0080 | 0x0200 | (picture_size(event->id) ? 0x0100 : 0);
    if (!(has & mask)) return 0;
    memset(blob, 0xA5, sizeof *blob);
    blob->mask = has & mask, blob->id = event->id, blob->time = event->time, blob->device = FIRST_ID + at;
    blob->code = event->code, blob->job_code = event->id * 2, blob->image_size = 0, blob->image = NULL;
    memcpy(blob->subject, event->subject, 32);
    if (blob->mask & 0x0100) {
        blob->image_size = setting("image_size") ? (uint16_t)setting("image_size") : picture_size(event->id);
        if (!setting("image_null")) {
            if (!*shared || !setting("image_shared")) {
                *shared = give_picture(picture_size(event->id) + 50, array);
                memset(*shared, (int)(event->id & 0xFF), picture_size(event->id) + 50);
            }
            blob->image = *shared;
        }
    }
    return 1;
}

static int blobs(int at, uint16_t mask, uint32_t after, uint32_t amount, void **logs, uint32_t *count, int ex) {
    uint32_t all, size = ex ? sizeof(SmallBlobEx) : sizeof(SmallBlob);
    Event *events = chosen(at, after, 0, &all);
    if (setting("null_with_count")) return free(events), *count = (uint32_t)setting("null_with_count"), SUCCESS;
    uint8_t *shared = NULL, *answer = give((size_t)all * size);
    *count = 0;
    for (uint32_t i = 0; i < all && *count < amount; i++) {
        SmallBlob *blob = (SmallBlob *)(answer + (size_t)*count * size);
        if (!fill_small((uint32_t)at, &events[i], mask, blob, &shared, answer)) continue;
        if (ex) ((SmallBlobEx *)blob)->temperature = 3600 + events[i].id % 100;
        else blob->mask &= (uint16_t)~0x0200;
        ++*count;
    }
    free(events);
    *logs = answer;
    if (setting("count")) *count = (uint32_t)setting("count");
    return SUCCESS;
}

int BS2_GetLogSmallBlob(void *context, uint32_t device, uint16_t mask, uint32_t after, uint32_t amount, void **logs,
                        uint32_t *count) {
    READER();
    if (setting("too_new") >= 2) return -600;
    return blobs(at, mask, after, amount, logs, count, 0);
}

int BS2_GetLogSmallBlobEx(void *context, uint32_t device, uint16_t mask, uint32_t after, uint32_t amount, void **logs,
                          uint32_t *count) {
    READER();
    if (setting("too_new") >= 1) return -600;
    return blobs(at, mask, after, amount, logs, count, 1);
}

int BS2_GetLogBlob(void *context, uint32_t device, uint16_t mask, uint32_t after, uint32_t amount, Blob **logs,
                   uint32_t *count) {
    READER();
    if (setting("too_new") >= 3) return -600;
    uint32_t all;
    Event *events = chosen(at, after, amount, &all);
    *logs = give(all * sizeof **logs);
    memset(*logs, 0xA5, all * sizeof **logs);
    *count = 0;
    for (uint32_t i = 0; i < all; i++) {
        SmallBlob small;
        uint8_t *image = NULL;
        if (!fill_small((uint32_t)at, &events[i], mask & 0x01FF, &small, &image, *logs)) continue;
        Blob *blob = &(*logs)[(*count)++];
        memcpy(blob->head, &small, sizeof blob->head);
        if (image) memcpy(blob->image, image, small.image_size);
        BS2_ReleaseObject(image);
    }
    free(events);
    return SUCCESS;
}

int BS2_GetImageLog(void *context, uint32_t device, uint32_t id, uint8_t **image, uint32_t *size) {
    READER();
    if (!picture_size(id)) return -725;
    *size = setting("count") ? (uint32_t)setting("count") : picture_size(id);
    if (setting("image_null")) return SUCCESS;
    *image = give(picture_size(id));
    memset(*image, (int)(id & 0xFF), picture_size(id));
    return SUCCESS;
}

int BS2_ClearLog(void *context, uint32_t device) {
    READER();
    pthread_mutex_lock(&lock);
    readers[at].count = 0;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

/* ---- live ---- */

int BS2_StartMonitoringLog(void *context, uint32_t device, OnLog on_log) {
    READER();
    pthread_mutex_lock(&lock);
    int was = readers[at].monitored;
    readers[at].monitored = 1, readers[at].on_log = readers[at].last_on_log = on_log;
    pthread_mutex_unlock(&lock);
    return was ? -10004 : SUCCESS;
}

int BS2_StartMonitoringLogEx(void *context, uint32_t device, OnLogEx on_log) {
    READER();
    if (setting("too_new")) return -600;
    pthread_mutex_lock(&lock);
    int was = readers[at].monitored;
    readers[at].monitored = 1, readers[at].on_log_ex = readers[at].last_on_log_ex = on_log;
    pthread_mutex_unlock(&lock);
    return was ? -10004 : SUCCESS;
}

int BS2_StopMonitoringLog(void *context, uint32_t device) {
    READER();
    pthread_mutex_lock(&lock);
    readers[at].monitored = 0, readers[at].on_log = NULL, readers[at].on_log_ex = NULL;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

static void report(uint32_t device, const Event *event, int late) {
    int at = reader(device);
    pthread_mutex_lock(&lock);
    OnLog plain = late ? readers[at].last_on_log : readers[at].on_log;
    OnLogEx ex = late ? readers[at].last_on_log_ex : readers[at].on_log_ex;
    pthread_mutex_unlock(&lock);
    if (plain) plain(device, event);
    if (ex) ex(device, event, 3650);
}

/* Writes an event of this source into the log of the device. Returns whether it is reported. */
static int append(uint32_t device, uint32_t source, Event *copy) {
    int at = reader(device);
    pthread_mutex_lock(&lock);
    if (readers[at].count == readers[at].room) {
        readers[at].room = readers[at].room * 2 + 1024;
        readers[at].log = realloc(readers[at].log, readers[at].room * sizeof(Event));
    }
    Event *event = &readers[at].log[readers[at].count++];
    memset(event, 0, sizeof *event);
    event->id = ++readers[at].next, event->time = 1700000000u + event->id, event->device = source;
    event->code = 0x1000, event->bits = picture_size(event->id) ? 1 : 0;
    memcpy(event->subject, "17", 2);
    *copy = *event;
    int live = readers[at].connected && readers[at].monitored;
    pthread_mutex_unlock(&lock);
    return live;
}

void stub_make_events(uint32_t device, uint32_t count) {
    Event event;
    for (uint32_t i = 0; i < count; i++)
        if (append(device, device, &event)) report(device, &event, 0);
}

#define SLAVE 541000900u

/* An event of a slave; the callback names the device whose log has it. */
void stub_make_event_of_slave(uint32_t device) {
    Event event;
    if (append(device, SLAVE, &event)) report(device, &event, 0);
}

/* The same; the callback names the slave. */
void stub_make_event_named_after_slave(uint32_t device) {
    Event event;
    int at = reader(device);
    if (append(device, SLAVE, &event)) readers[at].on_log_ex(SLAVE, &event, 0);
}

void stub_disconnect(uint32_t device) {
    int at = reader(device);
    pthread_mutex_lock(&lock);
    readers[at].connected = readers[at].monitored = 0;
    readers[at].on_log = NULL, readers[at].on_log_ex = NULL;
    pthread_mutex_unlock(&lock);
    if (on_disconnected && setting("report_disconnect")) on_disconnected(device);
}

void stub_accept(uint32_t device) { if (on_accepted) on_accepted(device); }

typedef struct { uint32_t device, first, count; int late; } Storm;

static void *storm(void *given) {
    Storm *storm = given;
    /* Unaligned, and freed as soon as the call returns. */
    uint8_t bytes[1 + sizeof(Event)];
    for (uint32_t i = 0; i < storm->count; i++) {
        Event event = {.id = storm->first + i, .device = storm->device, .code = 0x1000};
        memcpy(bytes + 1, &event, sizeof event);
        report(storm->device, (const Event *)(void *)(bytes + 1), storm->late);
        memset(bytes, 0xA5, sizeof bytes);
    }
    return NULL;
}

/* Calls back from several threads at once; late: also for devices that are not monitored any more. */
void stub_storm(uint32_t device, uint32_t threads, uint32_t count, int late) {
    pthread_t ids[64];
    Storm storms[64];
    for (uint32_t i = 0; i < threads && i < 64; i++) {
        storms[i] = (Storm){device, 1 + i * count, count, late};
        pthread_create(&ids[i], NULL, storm, &storms[i]);
    }
    for (uint32_t i = 0; i < threads && i < 64; i++) pthread_join(ids[i], NULL);
}

/* Calls back with a NULL event. */
void stub_report_nothing(uint32_t device) { report(device, NULL, 0); }

/* Calls back for unknown devices. */
void stub_report_unknown(void) {
    Event event = {.id = 1};
    for (int at = 0; at < DEVICES; at++) {
        if (readers[at].last_on_log_ex) readers[at].last_on_log_ex(77, &event, 0);
        if (readers[at].last_on_log) readers[at].last_on_log(UINT32_MAX, &event);
    }
    if (on_disconnected) on_disconnected(77), on_disconnected(0);
    if (on_connected) on_connected(77);
}

int stub_is_monitored(uint32_t device) {
    pthread_mutex_lock(&lock);
    int is_monitored = readers[reader(device)].monitored;
    pthread_mutex_unlock(&lock);
    return is_monitored;
}

/* The number of calls that have not returned. */
int stub_inside(void) {
    pthread_mutex_lock(&lock);
    int count = inside;
    pthread_mutex_unlock(&lock);
    return count;
}

/* The state at the start of a program: no faults, no events. */
void stub_reset(void) {
    stub_hang(NULL);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) settings[i].value = 0;
    stub_set("report_disconnect", 1);
    for (int at = 0; at < DEVICES; at++) {
        free(readers[at].log);
        memset(&readers[at], 0, sizeof readers[at]);
    }
    pthread_mutex_unlock(&lock);
}
