/* The part of the vendor's library that the bench needs, and the C program for comparison.
 *
 * Declarations are made from measured layouts.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    uint32_t id, time, device;
    uint8_t subject[32];
    uint16_t code;
    uint8_t param, bits;
} Event;

typedef void (*OnLog)(uint32_t, const Event *);

static Event *log_;
static uint32_t events;
static OnLog on_log;
static int fresh;

/* A page is a new array, as the vendor's pages are, or the log itself. */
void bench_prepare(uint32_t count, int each_of_its_own) {
    if (count != events) {
        free(log_);
        log_ = calloc(count, sizeof *log_);
        events = count;
        for (uint32_t i = 0; i < count; i++)
            log_[i] = (Event){.id = i + 1, .time = 1700000000 + i, .device = 1000, .code = 0x1000, .bits = 0x48};
    }
    fresh = each_of_its_own;
}

void *BS2_AllocateContext(void) { return &events; }
void BS2_ReleaseContext(void *context) { (void)context; }
int BS2_Initialize(void *context) { (void)context; return 1; }
void BS2_ReleaseObject(void *object) { if (object != log_) free(object); }

int BS2_ConnectDeviceViaIP(void *context, const char *address, uint16_t port, uint32_t *device) {
    (void)context, (void)address, (void)port;
    *device = 1000;
    return 1;
}

int BS2_GetLog(void *context, uint32_t device, uint32_t after, uint32_t amount, Event **logs, uint32_t *count) {
    (void)context, (void)device;
    *count = events - after < amount ? events - after : amount;
    *logs = log_ + after;
    if (fresh) {
        *logs = malloc(*count * sizeof **logs);
        memcpy(*logs, log_ + after, *count * sizeof **logs);
    }
    return 1;
}

int BS2_StartMonitoringLog(void *context, uint32_t device, OnLog callback) {
    (void)context, (void)device;
    on_log = callback;
    return 1;
}

int BS2_StopMonitoringLog(void *context, uint32_t device) {
    (void)context, (void)device;
    return 1;
}

/* The C program: reads the log, touches each event as the Rust side does, releases the page. */
uint64_t bench_read(uint32_t amount) {
    Event *logs = NULL;
    uint32_t count = 0;
    uint64_t sum = 0;
    if (BS2_GetLog(&events, 1000, 0, amount, &logs, &count) != 1) return 0;
    for (uint32_t i = 0; i < count; i++) sum += logs[i].id + logs[i].code + logs[i].bits;
    BS2_ReleaseObject(logs);
    return sum;
}

uint64_t bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Calls back this often; the time of each call is in the field of the user id. */
void bench_report(uint32_t count, int timed) {
    Event event = {.device = 1000, .code = 0x1000};
    for (uint32_t i = 0; i < count; i++) {
        event.id = i + 1;
        if (timed) {
            uint64_t now = bench_now();
            memcpy(event.subject, &now, sizeof now);
        }
        on_log(1000, &event);
    }
}
