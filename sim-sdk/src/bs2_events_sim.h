/* The functions of the simulated library and their structures, for C11 and C++11.
 *
 * Sizes and offsets were measured with C compilers. The names are the vendor's, so a program needs no change for the
 * real library. This header declares every function that does something; the others return -600 (not supported).
 */
#ifndef BS2_EVENTS_SIM_H
#define BS2_EVENTS_SIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define BS2_SIM_STATIC_ASSERT(condition) static_assert(condition, #condition)
#else
#define BS2_SIM_STATIC_ASSERT(condition) _Static_assert(condition, #condition)
#endif

/* Results of functions. Values above 0 mean success; functions for logs return 1. */
enum {
    BS_SDK_SUCCESS = 1,
    BS_SDK_ERROR_CANNOT_CONNECT_SOCKET = -102,
    BS_SDK_ERROR_SOCKET_IS_NOT_CONNECTED = -107,
    BS_SDK_ERROR_INVALID_ADDRESS = -116,
    BS_SDK_ERROR_INVALID_PARAM = -200,
    BS_SDK_ERROR_CANNOT_WRITE_FILE = -402,
    BS_SDK_ERROR_NOT_SUPPORTED = -600,
    BS_SDK_ERROR_TIMEOUT = -601,
    BS_SDK_ERROR_CANNOT_FIND_LOG = -725,
    BS_SDK_ERROR_INVALID_CONFIG = -800,
    BS_SDK_ERROR_CANNOT_FIND_DEVICE = -907,
    BS_SDK_ERROR_ALLOC_MEM = -2002,
    BS_SDK_ERROR_NULL_POINTER = -10000,
    BS_SDK_ERROR_UNINITIALIZED = -10001,
    BS_SDK_ERROR_EXIST = -10004,
    BS_SDK_ERROR_DEVICE_BUSY = -10007,
    BS_SDK_ERROR_INTERNAL = -10008
};

/* Bits of a mask. In a request: return blobs to which one of these applies. In a blob: these fields are valid. */
enum {
    BS2_EVENT_MASK_INFO = 0x0001,
    BS2_EVENT_MASK_USER_ID = 0x0002,
    BS2_EVENT_MASK_CARD_ID = 0x0004,
    BS2_EVENT_MASK_DOOR_ID = 0x0008,
    BS2_EVENT_MASK_ZONE_ID = 0x0010,
    BS2_EVENT_MASK_IODEVICE = 0x0020,
    BS2_EVENT_MASK_TNA_KEY = 0x0040,
    BS2_EVENT_MASK_JOB_CODE = 0x0080,
    BS2_EVENT_MASK_IMAGE = 0x0100,
    BS2_EVENT_MASK_TEMPERATURE = 0x0200,
    BS2_EVENT_MASK_ALL = 0xFFFF
};

/* Bits of the last byte of an event. */
enum {
    BS2_EVENT_FLAG_IMAGE = 0x01,
    BS2_EVENT_FLAG_DST = 0x02,
    BS2_EVENT_FLAG_HALF_HOUR = 0x04,
    BS2_EVENT_FLAG_HOURS = 0x78, /* shifted by 3 */
    BS2_EVENT_FLAG_NEGATIVE = 0x80
};

typedef struct {
    uint32_t id;
    uint32_t dateTime; /* seconds since 1970, UTC */
    uint32_t deviceID;
    union { /* the code decides which one is valid */
        uint8_t userID[32]; /* may have no NUL */
        uint8_t cardID[32];
        uint32_t doorID;
        uint32_t liftID;
        uint32_t zoneID;
        struct {
            uint32_t ioDeviceID;
            uint16_t port;
            int8_t value;
            uint8_t reserved[25];
        } io;
    };
    uint16_t code; /* main code in the upper byte, sub code in the lower */
    uint8_t param;
    uint8_t flags;
} BS2Event;

#pragma pack(push, 1)
typedef struct {
    uint16_t eventMask;
    uint32_t id;
    uint32_t dateTime;
    uint32_t deviceID;
    uint16_t code;
    uint8_t infoReserved[2];
    uint8_t subject[32]; /* the union of BS2Event */
    uint8_t tnaKey;
    uint32_t jobCode;
    uint16_t imageSize;
    uint8_t image[16384];
    uint8_t reserved;
} BS2EventBlob;

typedef struct {
    uint16_t eventMask;
    uint32_t id;
    uint32_t dateTime;
    uint32_t deviceID;
    uint16_t code;
    uint8_t infoReserved[2];
    uint8_t subject[32]; /* the union of BS2Event */
    uint8_t tnaKey;
    uint32_t jobCode;
    uint16_t imageSize;
    uint8_t *imageObj; /* a separate object, or NULL */
    uint8_t reserved;
} BS2EventSmallBlob;

typedef struct {
    BS2EventSmallBlob blob;
    uint32_t temperature; /* hundredths of a degree Celsius */
} BS2EventSmallBlobEx;

typedef struct {
    uint32_t id;
    uint16_t type;
    uint8_t connectionMode;
    uint8_t ipv4Address[4];
    uint16_t port;
    uint32_t maxNumOfUser;
    uint8_t userNameSupported, userPhotoSupported, pinSupported, cardSupported, fingerSupported, faceSupported;
    uint8_t wlanSupported, tnaSupported, triggerActionSupported, wiegandSupported, imageLogSupported, dnsSupported;
    uint8_t jobCodeSupported, wiegandMultiSupported, rs485Mode, sslSupported, rootCertExist, dualIDSupported;
    uint8_t useAlphanumericID;
    uint8_t connectedIP[4];
    uint8_t phraseSupported, card1xSupported, systemExtSupported, voipSupported, rs485ExSupported, cardExSupported;
} BS2SimpleDeviceInfo;
#pragma pack(pop)

typedef struct {
    uint32_t supported;
    uint32_t reserved;
} BS2SimpleDeviceInfoEx;

typedef struct {
    uint32_t deviceID;
    uint8_t macAddr[6];
    uint8_t padding[2];
    char modelName[32];
    uint8_t boardVer[4], kernelVer[4], bscoreVer[4], firmwareVer[4];
    char kernelRev[32], bscoreRev[32], firmwareRev[32];
    uint8_t reserved[32];
} BS2FactoryConfig;

typedef struct {
    uint8_t notUsed[768];
    int32_t timezone; /* seconds */
    uint8_t rest[36];
} BS2SystemConfig;

typedef struct {
    uint32_t words[20];
} BS2DstConfig;

typedef struct {
    uint32_t maxUsers, maxEventLogs, maxImageLogs;
    uint8_t rest[500];
} BS2DeviceCapabilities;

typedef struct {
    uint32_t deviceID;
    uint16_t deviceType;
    uint8_t enableOSDP;
    uint8_t connected;
} BS2Rs485SlaveDevice;

typedef struct {
    uint32_t deviceID;
    uint16_t deviceType;
    uint8_t enableOSDP;
    uint8_t connected;
    uint8_t channelInfo;
    uint8_t reserved[3];
} BS2Rs485SlaveDeviceEX;

typedef struct {
    uint32_t numImageEventFilter;
    struct {
        uint8_t mainEventCode, subEventCode, subCodeIncluded, reserved;
        uint32_t scheduleID; /* 0 never, 1 always */
    } imageEventFilter[32];
    uint8_t unused[32];
} BS2EventConfig;

BS2_SIM_STATIC_ASSERT(sizeof(BS2Event) == 48 && offsetof(BS2Event, code) == 44);
BS2_SIM_STATIC_ASSERT(sizeof(BS2EventBlob) == 16442 && offsetof(BS2EventBlob, image) == 57);
BS2_SIM_STATIC_ASSERT(sizeof(BS2EventSmallBlob) == 58 + sizeof(void *) && offsetof(BS2EventSmallBlob, imageObj) == 57);
BS2_SIM_STATIC_ASSERT(sizeof(BS2EventSmallBlobEx) == 62 + sizeof(void *));
BS2_SIM_STATIC_ASSERT(sizeof(BS2SimpleDeviceInfo) == 46 && offsetof(BS2SimpleDeviceInfo, connectedIP) == 36);
BS2_SIM_STATIC_ASSERT(offsetof(BS2SimpleDeviceInfo, imageLogSupported) == 27 && sizeof(BS2SimpleDeviceInfoEx) == 8);
BS2_SIM_STATIC_ASSERT(sizeof(BS2FactoryConfig) == 188 && offsetof(BS2FactoryConfig, firmwareRev) == 124);
BS2_SIM_STATIC_ASSERT(sizeof(BS2SystemConfig) == 808 && sizeof(BS2DstConfig) == 80);
BS2_SIM_STATIC_ASSERT(sizeof(BS2Rs485SlaveDevice) == 8 && sizeof(BS2Rs485SlaveDeviceEX) == 12);
BS2_SIM_STATIC_ASSERT(sizeof(BS2DeviceCapabilities) == 512 && sizeof(BS2EventConfig) == 292);

/* Callbacks. They run on threads of the library and may call every function. An event is valid during the call. */
typedef void (*OnDeviceFound)(uint32_t deviceId);
typedef void (*OnDeviceAccepted)(uint32_t deviceId);
typedef void (*OnDeviceConnected)(uint32_t deviceId);
typedef void (*OnDeviceDisconnected)(uint32_t deviceId);
typedef void (*OnLogReceived)(uint32_t deviceId, const BS2Event *event);
typedef void (*OnLogReceivedEx)(uint32_t deviceId, const BS2Event *event, uint32_t temperature);
typedef void (*OnAlarmFired)(uint32_t deviceId, const BS2Event *event);
typedef void (*OnInputDetected)(uint32_t deviceId, const BS2Event *event);
typedef void (*OnConfigChanged)(uint32_t deviceId, uint32_t configMask);
typedef uint32_t (*PreferMethod)(uint32_t deviceID);
typedef const char *(*GetRootCaFilePath)(uint32_t deviceID);
typedef const char *(*GetServerCaFilePath)(uint32_t deviceID);
typedef const char *(*GetServerPrivateKeyFilePath)(uint32_t deviceID);
typedef const char *(*GetPassword)(uint32_t deviceID);
typedef void (*OnErrorOccured)(uint32_t deviceID, int errCode);
typedef void (*OnSendRootCA)(uint32_t deviceId, int result);

/* The context. */
void *BS2_AllocateContext(void);
void BS2_ReleaseContext(void *context);
int BS2_Initialize(void *context);
int BS2_InitializeEx(void *context, const char *hostIPAddr);
void BS2_ReleaseObject(void *object);
const char *BS2_Version(void);
int BS2_SetDeviceEventListener(void *context, OnDeviceFound found, OnDeviceAccepted accepted,
                               OnDeviceConnected connected, OnDeviceDisconnected disconnected);
int BS2_SetNotificationListener(void *context, OnAlarmFired alarm, OnInputDetected input, OnConfigChanged config);
int BS2_SetAutoConnection(void *context, int enable);
int BS2_IsAutoConnection(void *context, int *enable);
int BS2_SetServerPort(void *context, uint16_t serverPort);
int BS2_GetServerPort(void *context, uint16_t *serverPort);
int BS2_SetSSLServerPort(void *context, uint16_t sslServerPort);
int BS2_GetSSLServerPort(void *context, uint16_t *sslServerPort);
int BS2_SetSSLHandler(void *context, PreferMethod method, GetRootCaFilePath rootCa, GetServerCaFilePath serverCa,
                      GetServerPrivateKeyFilePath key, GetPassword password, OnErrorOccured error);
int BS2_SetDeviceSSLEventListener(void *context, OnSendRootCA sendRootCA);
int BS2_DisableSSL(void *context, uint32_t deviceId);
int BS2_SetSSLHandshakeTimeout(void *context, uint32_t second);
int BS2_GetSSLHandshakeTimeout(void *context, uint32_t *second);
int BS2_SetDeviceSearchingTimeout(void *context, uint32_t second);
int BS2_SetMaxThreadCount(void *context, uint32_t maxThreadCount);
int BS2_SetMaxConnectThreadCount(void *context, uint32_t maxThreadCount);
int BS2_SetKeepAliveTimeout(void *context, long ms);
int BS2_SetDefaultResponseTimeout(void *context, long ms);
int BS2_GetDefaultResponseTimeout(void *context, long *ms);
int BS2_SetDefaultLongResponseTimeout(void *context, long ms);
int BS2_GetDefaultLongResponseTimeout(void *context, long *ms);
int BS2_SetSocketRetryCount(void *context, uint32_t count);
int BS2_GetSocketRetryCount(void *context, uint32_t *count);
int BS2_SetDebugFileLog(uint32_t level, uint32_t module, const char *logPath);
int BS2_SetDebugFileLogEx(uint32_t level, uint32_t module, const char *logPath, int fileMaxSizeMB);

/* Devices. Release a result whose name ends in `Obj` with BS2_ReleaseObject. */
int BS2_SearchDevices(void *context);
int BS2_SearchDevicesEx(void *context, const char *hostIPAddr);
int BS2_SearchDeviceByIP(void *context, const char *deviceIPAddr);
int BS2_GetDevices(void *context, uint32_t **deviceListObj, uint32_t *numDevice);
int BS2_ConnectDevice(void *context, uint32_t deviceId);
int BS2_ConnectDeviceViaIP(void *context, const char *deviceAddress, uint16_t devicePort, uint32_t *deviceId);
int BS2_DisconnectDevice(void *context, uint32_t deviceId);
int BS2_IsConnected(void *context, uint32_t deviceId, int *connected);
int BS2_GetDeviceTopology(void *context, uint32_t deviceId, void **networkNodeObj, uint32_t *numNetworkNode);
int BS2_GetDeviceInfo(void *context, uint32_t deviceId, BS2SimpleDeviceInfo *deviceInfo);
int BS2_GetDeviceInfoEx(void *context, uint32_t deviceId, BS2SimpleDeviceInfo *info, BS2SimpleDeviceInfoEx *infoEx);
int BS2_GetDeviceCapabilities(void *context, uint32_t deviceId, BS2DeviceCapabilities *capabilities);
int BS2_GetFactoryConfig(void *context, uint32_t deviceId, BS2FactoryConfig *config);
int BS2_GetSystemConfig(void *context, uint32_t deviceId, BS2SystemConfig *config);
int BS2_SetSystemConfig(void *context, uint32_t deviceId, const BS2SystemConfig *config);
int BS2_GetDstConfig(void *context, uint32_t deviceId, BS2DstConfig *config);
int BS2_SetDstConfig(void *context, uint32_t deviceId, const BS2DstConfig *config);
int BS2_GetDeviceTime(void *context, uint32_t deviceId, uint32_t *gmtTime);
int BS2_SetDeviceTime(void *context, uint32_t deviceId, uint32_t gmtTime);
int BS2_GetSlaveDevice(void *context, uint32_t deviceId, BS2Rs485SlaveDevice **slaveDeviceObj, uint32_t *numSlave);
int BS2_GetSlaveExDevice(void *context, uint32_t deviceId, uint32_t channelPort,
                         BS2Rs485SlaveDeviceEX **slaveDeviceObj, uint32_t *outChannelPort, uint32_t *numSlave);
int BS2_SetSlaveDevice(void *context, uint32_t deviceId, const BS2Rs485SlaveDevice *slaveDevices, uint32_t numSlave);
int BS2_SetSlaveExDevice(void *context, uint32_t deviceId, uint32_t channelPort,
                         const BS2Rs485SlaveDeviceEX *slaveDevices, uint32_t numSlave);

/* Logs. The ids are greater than `eventId` and ascending. `amount` 0 means all. An empty log is a success with NULL and
 * 0. */
int BS2_GetLog(void *context, uint32_t deviceId, uint32_t eventId, uint32_t amount, BS2Event **logsObj,
               uint32_t *numLog);
int BS2_GetLogBlob(void *context, uint32_t deviceId, uint16_t eventMask, uint32_t eventId, uint32_t amount,
                   BS2EventBlob **logsObj, uint32_t *numLog);
int BS2_GetLogSmallBlob(void *context, uint32_t deviceId, uint16_t eventMask, uint32_t eventId, uint32_t amount,
                        BS2EventSmallBlob **logsObj, uint32_t *numLog);
int BS2_GetLogSmallBlobEx(void *context, uint32_t deviceId, uint16_t eventMask, uint32_t eventId, uint32_t amount,
                          BS2EventSmallBlobEx **logsObj, uint32_t *numLog);
int BS2_GetFilteredLog(void *context, uint32_t deviceId, const char *uid, uint16_t eventCode, uint32_t start,
                       uint32_t end, uint8_t tnakey, BS2Event **logsObj, uint32_t *numLog);
int BS2_GetFilteredLogSinceEventId(void *context, uint32_t deviceId, const char *uid, uint16_t eventCode,
                                   uint32_t start, uint32_t end, uint8_t tnakey, uint32_t lastEventId,
                                   uint32_t amount, BS2Event **logsObj, uint32_t *numLog);
int BS2_GetImageLog(void *context, uint32_t deviceId, uint32_t eventId, uint8_t **imageObj, uint32_t *imageSize);
int BS2_ClearLog(void *context, uint32_t deviceId);
int BS2_GetEventConfig(void *context, uint32_t deviceId, BS2EventConfig *config);
int BS2_SetEventConfig(void *context, uint32_t deviceId, const BS2EventConfig *config);

/* Live events. */
int BS2_StartMonitoringLog(void *context, uint32_t deviceId, OnLogReceived received);
int BS2_StartMonitoringLogEx(void *context, uint32_t deviceId, OnLogReceivedEx received);
int BS2_StopMonitoringLog(void *context, uint32_t deviceId);

/* Only in the simulated library, for tests. */
uint32_t BS2SIM_HeldObjects(void);                                             /* objects that are not released */
int BS2SIM_MakeEvents(void *context, uint32_t deviceId, uint32_t count);      /* makes events at once */
int BS2SIM_PushEvent(void *context, uint32_t deviceId, const BS2Event *event, /* logs and reports this event; */
                     uint32_t *eventId);                                      /* its id is the next one */
int BS2SIM_LoseConnection(void *context, uint32_t deviceId);                  /* as a cable that is pulled */

#ifdef __cplusplus
}
#endif
#endif
