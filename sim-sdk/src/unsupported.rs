//! Every other function of the vendor's library: it exists, and returns that it is not supported.

use std::ffi::{c_int, c_void};

use crate::ffi::NOT_SUPPORTED;

/// Defines functions without parameters. On all systems of the vendor's library the caller removes the arguments of a
/// C call, so a function may ignore them.
macro_rules! not_supported {
    ($($name:ident)*) => {$(
        /// Not supported.
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $name() -> c_int {
            NOT_SUPPORTED.get()
        }
    )*};
}

/// Not supported. Its result is a pointer, so it returns NULL.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn BS2_AllocateUsbContext() -> *mut c_void {
    std::ptr::null_mut()
}

not_supported! {
    BS2_ActivateFloor BS2_AddOsdpStandardDevice BS2_AddWiegandDevices
    BS2_CheckGlobalAPBViolation BS2_CheckGlobalAPBViolationByDoorOpen BS2_ClearAllAntiPassbackZoneStatus
    BS2_ClearAllDeviceZoneAccessRecord BS2_ClearAllTimedAntiPassbackZoneStatus
    BS2_ClearAntiPassbackZoneStatus BS2_ClearDatabase BS2_ClearDeviceZoneAccessRecord
    BS2_ClearTimedAntiPassbackZoneStatus BS2_ComputeCRC16CCITT BS2_ConnectDeviceIPV6 BS2_DeActivateFloor
    BS2_DisableDeviceLicense BS2_EnableDeviceLicense BS2_EnrolUser BS2_EnrolUserEx BS2_EnrollUser
    BS2_EnrollUserEx BS2_EnrollUserFaceEx BS2_EnrollUserSmall BS2_EnrollUserSmallEx BS2_EraseCard
    BS2_ExtractTemplateFaceEx BS2_FactoryReset BS2_GetAccessGroup BS2_GetAccessLevel BS2_GetAccessSchedule
    BS2_GetAllAccessGroup BS2_GetAllAccessLevel BS2_GetAllAccessSchedule BS2_GetAllAntiPassbackZone
    BS2_GetAllAntiPassbackZoneStatus BS2_GetAllAuthGroup BS2_GetAllAuthOperatorLevelEx BS2_GetAllBlackList
    BS2_GetAllDeviceIOStatus BS2_GetAllDeviceZone BS2_GetAllDeviceZoneAGEntranceLimit BS2_GetAllDoor
    BS2_GetAllDoorStatus BS2_GetAllFireAlarmZone BS2_GetAllFireAlarmZoneStatus BS2_GetAllFloorLevel
    BS2_GetAllHolidayGroup BS2_GetAllInterlockZoneStatus BS2_GetAllIntrusionAlarmZoneStatus BS2_GetAllLift
    BS2_GetAllLiftLockUnlockZone BS2_GetAllLiftLockUnlockZoneStatus BS2_GetAllLiftStatus
    BS2_GetAllLockOverride BS2_GetAllScheduledLockUnlockZone BS2_GetAllScheduledLockUnlockZoneStatus
    BS2_GetAllTimedAntiPassbackZone BS2_GetAllTimedAntiPassbackZoneStatus BS2_GetAllUserOverride
    BS2_GetAntiPassbackZone BS2_GetAntiPassbackZoneStatus BS2_GetAuthConfig BS2_GetAuthConfigExt
    BS2_GetAuthGroup BS2_GetAuthOperatorLevelEx BS2_GetAvailableOsdpStandardDevice BS2_GetBarcodeConfig
    BS2_GetBlackList BS2_GetCard1xConfig BS2_GetCardConfig BS2_GetCardConfigEx BS2_GetCardModel
    BS2_GetConfig BS2_GetCustomCardConfig BS2_GetDataEncryptKey BS2_GetDesFireCardConfigEx
    BS2_GetDeviceIOStatus BS2_GetDeviceZone BS2_GetDeviceZoneAGEntranceLimit BS2_GetDeviceZoneConfig
    BS2_GetDeviceZoneMasterConfig BS2_GetDevicesCoreStation BS2_GetDisplayConfig BS2_GetDoor
    BS2_GetDoorStatus BS2_GetEnableIPV4 BS2_GetEnableIPV6 BS2_GetFaceConfig BS2_GetFaceConfigExt
    BS2_GetFacilityCodeConfig BS2_GetFilteredLogFromDir BS2_GetFilteredLogFromDirWithKey
    BS2_GetFilteredLogSinceEventIdFromDir BS2_GetFingerTemplateQuality BS2_GetFingerprintConfig
    BS2_GetFireAlarmZone BS2_GetFireAlarmZoneStatus BS2_GetFloorLevel BS2_GetHolidayGroup BS2_GetIPConfig
    BS2_GetIPConfigExt BS2_GetIPConfigViaUDP BS2_GetIPConfigViaUDPEx BS2_GetIPV6Config
    BS2_GetIPV6ConfigViaUDP BS2_GetIPV6ConfigViaUDPEx BS2_GetInputConfig BS2_GetInputConfigEx
    BS2_GetInterlockZone BS2_GetInterlockZoneStatus BS2_GetIntrusionAlarmZone
    BS2_GetIntrusionAlarmZoneStatus BS2_GetLastFingerprintImage BS2_GetLicenseConfig BS2_GetLift
    BS2_GetLiftLockUnlockZone BS2_GetLiftLockUnlockZoneStatus BS2_GetLiftStatus BS2_GetLockOverride
    BS2_GetLogBlobFromDir BS2_GetLogBlobFromDirWithKey BS2_GetLogFromDir BS2_GetLogFromDirWithKey
    BS2_GetLogSmallBlobExFromDir BS2_GetLogSmallBlobExFromDirWithKey BS2_GetLogSmallBlobFromDir
    BS2_GetLogSmallBlobFromDirWithKey BS2_GetMasterAdmin BS2_GetMifareCardConfigEx
    BS2_GetNormalizedImageFaceEx BS2_GetOsdpStandardActionConfig BS2_GetOsdpStandardConfig
    BS2_GetOsdpStandardDevice BS2_GetOsdpStandardDeviceCapability BS2_GetRS485Config BS2_GetRS485ConfigEx
    BS2_GetRS485ConfigExDynamic BS2_GetRelayActionConfig BS2_GetRtspConfig BS2_GetSSLServerPortIPV6
    BS2_GetScheduledLockUnlockZone BS2_GetScheduledLockUnlockZoneStatus BS2_GetServerPortIPV6
    BS2_GetSocketSSLRetryCount BS2_GetSpecifiedDeviceInfo
    BS2_GetStatusConfig BS2_GetSupportedConfigMask BS2_GetSupportedUserMask BS2_GetSystemExtConfig
    BS2_GetTNAConfig BS2_GetThermalCameraConfig BS2_GetTimedAntiPassbackZone
    BS2_GetTimedAntiPassbackZoneStatus BS2_GetTriggerActionConfig BS2_GetUserDatabaseInfo
    BS2_GetUserDatabaseInfoFromDir BS2_GetUserDatabaseInfoFromDirWithKey BS2_GetUserDatas BS2_GetUserDatasEx
    BS2_GetUserDatasExFromDir BS2_GetUserDatasExFromDirWithKey BS2_GetUserDatasFaceEx
    BS2_GetUserDatasFaceExFromDir BS2_GetUserDatasFaceExFromDirWithKey BS2_GetUserDatasFromDir
    BS2_GetUserDatasFromDirWithKey BS2_GetUserInfos BS2_GetUserInfosEx BS2_GetUserInfosExFromDir
    BS2_GetUserInfosExFromDirWithKey BS2_GetUserInfosFaceEx BS2_GetUserInfosFaceExFromDir
    BS2_GetUserInfosFaceExFromDirWithKey BS2_GetUserInfosFromDir BS2_GetUserInfosFromDirWithKey
    BS2_GetUserList BS2_GetUserListFromDir BS2_GetUserListFromDirWithKey BS2_GetUserOverride
    BS2_GetUserSmallDatas BS2_GetUserSmallDatasEx BS2_GetUserSmallDatasExFromDir
    BS2_GetUserSmallDatasExFromDirWithKey BS2_GetUserSmallDatasFromDir BS2_GetUserSmallDatasFromDirWithKey
    BS2_GetUserSmallInfos BS2_GetUserSmallInfosEx BS2_GetUserSmallInfosExFromDir
    BS2_GetUserSmallInfosExFromDirWithKey BS2_GetUserSmallInfosFromDir BS2_GetUserSmallInfosFromDirWithKey
    BS2_GetUserStatistic BS2_GetVoipConfig BS2_GetVoipConfigExt BS2_GetWiegandConfig
    BS2_GetWiegandDeviceConfig BS2_GetWiegandDevices BS2_GetWiegandMultiConfig BS2_GetWlanConfig
    BS2_IdentifyUser BS2_IdentifyUserEx BS2_IdentifyUserSmall BS2_IdentifyUserSmallEx BS2_LockDevice
    BS2_LockDoor BS2_MakePinCode BS2_MakePinCodeWithKey BS2_PartialUpdateUser BS2_PartialUpdateUserEx
    BS2_PartialUpdateUserFaceEx BS2_PartialUpdateUserSmall BS2_PartialUpdateUserSmallEx
    BS2_QueryDeviceLicense BS2_RebootDevice BS2_ReleaseDoor BS2_ReleaseFloor BS2_ReleaseUsbContext
    BS2_RemoveAccessGroup BS2_RemoveAccessLevel BS2_RemoveAccessSchedule BS2_RemoveAllAccessGroup
    BS2_RemoveAllAccessLevel BS2_RemoveAllAccessSchedule BS2_RemoveAllAntiPassbackZone
    BS2_RemoveAllAuthGroup BS2_RemoveAllAuthOperatorLevelEx BS2_RemoveAllBlackList BS2_RemoveAllDeviceZone
    BS2_RemoveAllDeviceZoneAGEntranceLimit BS2_RemoveAllDoor BS2_RemoveAllFireAlarmZone
    BS2_RemoveAllFloorLevel BS2_RemoveAllHolidayGroup BS2_RemoveAllInterlockZone
    BS2_RemoveAllIntrusionAlarmZone BS2_RemoveAllLift BS2_RemoveAllLiftLockUnlockZone
    BS2_RemoveAllLockOverride BS2_RemoveAllScheduledLockUnlockZone BS2_RemoveAllTimedAntiPassbackZone
    BS2_RemoveAllUser BS2_RemoveAllUserOverride BS2_RemoveAntiPassbackZone BS2_RemoveAuthGroup
    BS2_RemoveAuthOperatorLevelEx BS2_RemoveBlackList BS2_RemoveDataEncryptKey BS2_RemoveDeviceZone
    BS2_RemoveDeviceZoneAGEntranceLimit BS2_RemoveDeviceZoneMasterConfig BS2_RemoveDoor
    BS2_RemoveFireAlarmZone BS2_RemoveFloorLevel BS2_RemoveHolidayGroup BS2_RemoveInterlockZone
    BS2_RemoveIntrusionAlarmZone BS2_RemoveLift BS2_RemoveLiftLockUnlockZone BS2_RemoveLockOverride
    BS2_RemoveOsdpStandardDevice BS2_RemoveScheduledLockUnlockZone
    BS2_RemoveTimedAntiPassbackZone BS2_RemoveUser BS2_RemoveUserOverride BS2_RemoveWiegandDevices
    BS2_ResetConfig BS2_ResetConfigExceptNetInfo BS2_ResponseUserPhrase BS2_RunAction BS2_ScanCard
    BS2_ScanFace BS2_ScanFaceEx BS2_ScanFingerprint BS2_ScanFingerprintEx BS2_ScanFingerprintImage
    BS2_SearchDevicesCoreStation BS2_SearchDevicesCoreStationEx BS2_SearchWiegandDevices BS2_SetAccessGroup
    BS2_SetAccessLevel BS2_SetAccessSchedule BS2_SetAntiPassbackZone BS2_SetAntiPassbackZoneAlarm
    BS2_SetAuthConfig BS2_SetAuthConfigExt BS2_SetAuthGroup BS2_SetAuthOperatorLevelEx BS2_SetBarcodeConfig
    BS2_SetBarcodeScanListener BS2_SetBlackList BS2_SetCard1xConfig BS2_SetCardConfig BS2_SetCardConfigEx
    BS2_SetCheckGlobalAPBViolationHandler BS2_SetConfig BS2_SetCustomCardConfig BS2_SetDataEncryptKey
    BS2_SetDebugExCallback BS2_SetDebugLevel BS2_SetDesFireCardConfigEx BS2_SetDeviceTopology
    BS2_SetDeviceZone BS2_SetDeviceZoneAGEntranceLimit BS2_SetDeviceZoneAlarm BS2_SetDeviceZoneConfig
    BS2_SetDeviceZoneMasterConfig BS2_SetDisplayConfig BS2_SetDoor BS2_SetDoorAlarm BS2_SetEnableIPV4
    BS2_SetEnableIPV6 BS2_SetFaceConfig BS2_SetFaceConfigExt BS2_SetFacilityCodeConfig
    BS2_SetFingerprintConfig BS2_SetFireAlarmZone BS2_SetFireAlarmZoneAlarm BS2_SetFloorLevel
    BS2_SetGlobalAPBViolationByDoorOpenHandler BS2_SetHolidayGroup BS2_SetIPConfig BS2_SetIPConfigExt
    BS2_SetIPConfigViaUDP BS2_SetIPConfigViaUDPEx BS2_SetIPV6Config BS2_SetIPV6ConfigViaUDP
    BS2_SetIPV6ConfigViaUDPEx BS2_SetInputConfig BS2_SetInputConfigEx BS2_SetInterlockZone
    BS2_SetInterlockZoneAlarm BS2_SetIntrusionAlarmZone BS2_SetIntrusionAlarmZoneAlarm
    BS2_SetIntrusionAlarmZoneArm BS2_SetLift BS2_SetLiftAlarm BS2_SetLiftLockUnlockZone
    BS2_SetLiftLockUnlockZoneAlarm BS2_SetLockOverride BS2_SetMasterAdmin BS2_SetMifareCardConfigEx
    BS2_SetOsdpStandardActionConfig BS2_SetOsdpStandardDeviceSecurityKey
    BS2_SetOsdpStandardDeviceStatusListener BS2_SetRS485Config BS2_SetRS485ConfigEx
    BS2_SetRS485ConfigExDynamic BS2_SetRelayActionConfig BS2_SetRtspConfig BS2_SetSSLServerPortIPV6
    BS2_SetScheduledLockUnlockZone BS2_SetScheduledLockUnlockZoneAlarm BS2_SetServerMatchingHandler
    BS2_SetServerPortIPV6
    BS2_SetSocketSSLRetryCount BS2_SetStatusConfig BS2_SetSystemExtConfig BS2_SetTNAConfig
    BS2_SetThermalCameraConfig BS2_SetTimedAntiPassbackZone BS2_SetTimedAntiPassbackZoneAlarm
    BS2_SetTriggerActionConfig BS2_SetUserOverride BS2_SetUserPhraseHandler BS2_SetVoipConfig
    BS2_SetVoipConfigExt BS2_SetWiegandConfig BS2_SetWiegandDeviceConfig BS2_SetWiegandMultiConfig
    BS2_SetWlanConfig BS2_TimedLockDoor BS2_TimedUnlockDoor BS2_UnlockDevice BS2_UnlockDoor
    BS2_UpdateOsdpStandardDevice BS2_UpdateResource BS2_UpgradeFirmware BS2_VerifyFingerprint BS2_VerifyUser
    BS2_VerifyUserEx BS2_VerifyUserFaceEx BS2_VerifyUserSmall BS2_VerifyUserSmallEx BS2_WriteCard
    BS2_WriteQRCode
}
