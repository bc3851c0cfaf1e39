/* A program that restarts monitoring repeatedly during events, outside and inside callbacks.
 *
 * Every event must come once and in order, to the current callback. It ends with 0 and one line, or with 1 and the line
 * number of the first check that failed. It never sleeps.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
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

enum { BACKLOG = 600, EVENTS = 3000, ROUNDS = 30, PATIENCE_SECONDS = 60 };
enum { FIRST = 1, SECOND = 2, EITHER = 3 };

static void *context;
static uint32_t device;
static uint32_t made = BACKLOG; /* the newest event */

/* What the callbacks have received, and which of them may be called. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t last, last_ex;
    int in_force, in_force_ex, connected, disconnected, finished;
    int start_when_connected, entered, left;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .last = BACKLOG, .last_ex = BACKLOG};

static void set(int *what, int value) {
    pthread_mutex_lock(&seen.lock);
    *what = value;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static void count(int *counter) {
    pthread_mutex_lock(&seen.lock);
    *counter += 1;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static int is_finished(void) {
    pthread_mutex_lock(&seen.lock);
    int finished = seen.finished;
    pthread_mutex_unlock(&seen.lock);
    return finished;
}

/* Waits until the condition holds, and releases the lock. */
#define AWAIT(condition)                                                                                              \
    do {                                                                                                              \
        struct timespec until;                                                                                        \
        clock_gettime(CLOCK_REALTIME, &until);                                                                        \
        until.tv_sec += PATIENCE_SECONDS;                                                                             \
        pthread_mutex_lock(&seen.lock);                                                                               \
        while (!(condition)) CHECK(pthread_cond_timedwait(&seen.changed, &seen.lock, &until) == 0);                   \
        pthread_mutex_unlock(&seen.lock);                                                                             \
    } while (0)

/* Each event follows the last one, and comes to the current callback. */
static void note(uint32_t *last, const int *in_force, int me, const BS2Event *event) {
    pthread_mutex_lock(&seen.lock);
    CHECK(*in_force & me);
    CHECK(event->id == *last + 1);
    *last = event->id;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static void on_first(uint32_t from, const BS2Event *event) {
    CHECK(from == device);
    note(&seen.last, &seen.in_force, FIRST, event);
}

static void on_second(uint32_t from, const BS2Event *event) {
    CHECK(from == device);
    note(&seen.last, &seen.in_force, SECOND, event);
}

static void on_first_ex(uint32_t from, const BS2Event *event, uint32_t temperature) {
    CHECK(from == device && temperature <= 4200);
    note(&seen.last_ex, &seen.in_force_ex, FIRST, event);
}

static void on_second_ex(uint32_t from, const BS2Event *event, uint32_t temperature) {
    CHECK(from == device && temperature <= 4200);
    note(&seen.last_ex, &seen.in_force_ex, SECOND, event);
}

static void make(uint32_t events) {
    OK(BS2SIM_MakeEvents(context, device, events));
    made += events;
}

/* Lets events wait, then replaces itself: the new callback receives all of them. */
static void on_log_that_gives_way(uint32_t from, const BS2Event *event) {
    note(&seen.last, &seen.in_force, EITHER, event);
    make(50);
    OK(BS2_StartMonitoringLog(context, from, on_second));
    set(&seen.in_force, SECOND);
    count(&seen.finished);
}

/* Replaces itself by itself. */
static void on_log_again(uint32_t from, const BS2Event *event) {
    OK(BS2_StartMonitoringLog(context, from, on_log_again));
    note(&seen.last, &seen.in_force, EITHER, event);
}

/* Works for a while after it has noted the event. */
static void on_log_at_length(uint32_t from, const BS2Event *event) {
    BS2Event *logs;
    uint32_t n;
    note(&seen.last, &seen.in_force, EITHER, event);
    set(&seen.entered, 1);
    for (int i = 0; i < 100; i++) {
        OK(BS2_GetLog(context, from, 0, 0, &logs, &n));
        BS2_ReleaseObject(logs);
    }
    set(&seen.left, 1);
}

static void on_connected(uint32_t from) {
    if (seen.start_when_connected) OK(BS2_StartMonitoringLog(context, from, on_first));
    count(&seen.connected);
}

static void on_disconnected(uint32_t from) {
    CHECK(from == device);
    count(&seen.disconnected);
}

static void *make_one_by_one(void *count) {
    for (uint32_t left = *(uint32_t *)count; left > 0; left--) make(1);
    set(&seen.finished, 1);
    return NULL;
}

static void the_next_callback_gets_what_waits_for_the_one_before(void) {
    set(&seen.in_force, EITHER);
    OK(BS2_StartMonitoringLog(context, device, on_log_that_gives_way));
    make(1);
    AWAIT(seen.finished);
    make(1);
    AWAIT(seen.last == made);
    OK(BS2_StopMonitoringLog(context, device));
}

/* A program may free the memory of a callback that was replaced. */
static void a_restart_waits_for_the_callback_before(void) {
    set(&seen.in_force, EITHER);
    OK(BS2_StartMonitoringLog(context, device, on_log_at_length));
    make(1);
    AWAIT(seen.entered);
    OK(BS2_StartMonitoringLog(context, device, on_second));
    pthread_mutex_lock(&seen.lock);
    CHECK(seen.left);
    pthread_mutex_unlock(&seen.lock);
    OK(BS2_StopMonitoringLog(context, device));
}

/* A replaced callback is not called any more. */
static void restarts_from_outside_lose_and_repeat_nothing(void) {
    pthread_t maker;
    uint32_t events = EVENTS;
    set(&seen.finished, 0);
    seen.last_ex = made;
    set(&seen.in_force, FIRST);
    set(&seen.in_force_ex, FIRST);
    OK(BS2_StartMonitoringLog(context, device, on_first));
    OK(BS2_StartMonitoringLogEx(context, device, on_first_ex));
    CHECK(pthread_create(&maker, NULL, make_one_by_one, &events) == 0);
    do {
        for (int next = SECOND; next >= FIRST; next--) {
            set(&seen.in_force, EITHER);
            OK(BS2_StartMonitoringLog(context, device, next == FIRST ? on_first : on_second));
            set(&seen.in_force, next);
            set(&seen.in_force_ex, EITHER);
            OK(BS2_StartMonitoringLogEx(context, device, next == FIRST ? on_first_ex : on_second_ex));
            set(&seen.in_force_ex, next);
        }
    } while (!is_finished());
    CHECK(pthread_join(maker, NULL) == 0);
    AWAIT(seen.last == made && seen.last_ex == made);
    OK(BS2_StopMonitoringLog(context, device));
}

static void restarts_from_inside_and_outside_at_once_do_no_harm(void) {
    pthread_t maker;
    uint32_t events = EVENTS / 10;
    set(&seen.finished, 0);
    set(&seen.in_force, EITHER);
    OK(BS2_StartMonitoringLog(context, device, on_log_again));
    CHECK(pthread_create(&maker, NULL, make_one_by_one, &events) == 0);
    do OK(BS2_StartMonitoringLog(context, device, on_log_again));
    while (!is_finished());
    CHECK(pthread_join(maker, NULL) == 0);
    AWAIT(seen.last == made);
}

/* The callback for connections starts monitoring, and the thread that connects does so too. */
static void two_that_start_at_once_are_one(void) {
    set(&seen.in_force, FIRST);
    seen.start_when_connected = 1;
    for (int round = 1; round <= ROUNDS; round++) {
        OK(BS2_DisconnectDevice(context, device));
        AWAIT(seen.disconnected == round);
        OK(BS2_ConnectDevice(context, device));
        OK(BS2_StartMonitoringLog(context, device, on_first));
        for (int i = 0; i < 20; i++) make(1);
        AWAIT(seen.last == made && seen.connected == round + 1);
    }
}

int main(void) {
    context = BS2_AllocateContext();
    OK(BS2_SetDeviceEventListener(context, NULL, NULL, on_connected, on_disconnected));
    OK(BS2_Initialize(context));
    OK(BS2_ConnectDeviceViaIP(context, "127.0.0.1", 51211, &device));
    AWAIT(seen.connected == 1);
    the_next_callback_gets_what_waits_for_the_one_before();
    a_restart_waits_for_the_callback_before();
    restarts_from_outside_lose_and_repeat_nothing();
    restarts_from_inside_and_outside_at_once_do_no_harm();
    two_that_start_at_once_are_one();
    BS2_ReleaseContext(context);
    printf("all is well\n");
    return 0;
}
