//! Trusted devices, by the hash of their secret.

use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::logins::push_end_logins;
use super::outbox::push_mails;
use super::users::{instant, key};
use super::write::Write;
use super::{IdentityStore, LoginEnd, SealedMail, Store, StoreError, counted, millis, stored, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::login::EndReason;
use crate::domain::token::BearerSecret;
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::{AccountId, OrganizationId, TrustedDeviceId, UserId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct DeviceRow {
    id: RecordId,
    account: uuid::Uuid,
    organization: uuid::Uuid,
    user: uuid::Uuid,
    device_id: String,
    device_name: Option<String>,
    secret: String,
    previous: Option<String>,
    expires: i64,
    last_used: Option<i64>,
    remote_ip: Option<String>,
    user_agent: Option<String>,
    created: i64,
    updated: i64,
    version: i64,
}

pub(super) fn device_record(id: TrustedDeviceId) -> RecordId {
    RecordId::new("trusted_device", uuid(id.uuid()))
}

impl DeviceRow {
    fn new(device: &TrustedDevice, secret: &BearerSecret) -> Self {
        Self {
            id: device_record(device.id),
            account: device.account.uuid(),
            organization: device.organization.uuid(),
            user: device.user.uuid(),
            device_id: device.device_id.clone(),
            device_name: device.device_name.clone(),
            secret: secret.hash(),
            previous: None,
            expires: millis(device.expires),
            last_used: device.last_used.map(millis),
            remote_ip: device.remote_ip.clone(),
            user_agent: device.user_agent.clone(),
            created: millis(device.created),
            updated: millis(device.updated),
            version: stored(device.version),
        }
    }

    fn into_device(self) -> Result<TrustedDevice, StoreError> {
        Ok(TrustedDevice {
            id: TrustedDeviceId::new(key(&self.id)?),
            account: AccountId::new(self.account),
            organization: OrganizationId::new(self.organization),
            user: UserId::new(self.user),
            device_id: self.device_id,
            device_name: self.device_name,
            expires: instant(self.expires),
            last_used: self.last_used.map(instant),
            remote_ip: self.remote_ip,
            user_agent: self.user_agent,
            created: instant(self.created),
            updated: instant(self.updated),
            version: counted(self.version),
        })
    }
}

/// Trusts a device, in the place of an earlier trust in the same one.
pub(super) fn push_device(write: &mut Write, device: &TrustedDevice, secret: &BearerSecret) {
    write.push("DELETE trusted_device WHERE user = $device_user AND device_id = $device_id RETURN NONE;");
    write.push("CREATE $device CONTENT $device_content RETURN NONE;");
    write.bind("device", device_record(device.id));
    write.bind("device_user", uuid(device.user.uuid()));
    write.bind("device_id", device.device_id.clone());
    write.bind("device_content", DeviceRow::new(device, secret));
}

/// Gives a device another secret, if the one it showed is still its secret.
pub(super) fn push_device_use(write: &mut Write, id: TrustedDeviceId, shown: &BearerSecret, next: &BearerSecret) {
    write.push(
        "IF (SELECT VALUE secret FROM ONLY $device) != $device_shown { THROW 'outdated' }; \
         UPDATE $device SET secret = $device_next, previous = $device_shown, last_used = $device_now RETURN NONE;",
    );
    write.bind("device", device_record(id));
    write.bind("device_shown", shown.hash());
    write.bind("device_next", next.hash());
    let now = write.now();
    write.bind("device_now", now);
}

impl IdentityStore {
    /// The device with this secret, and whether it is the secret before the present one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_device_by_secret(
        &self,
        secret: &BearerSecret,
    ) -> Result<Option<(TrustedDevice, bool)>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM trusted_device WHERE secret = $hash")
            .query("SELECT * FROM trusted_device WHERE previous = $hash")
            .bind(("hash", secret.hash()));
        let mut results = settle(query.await?)?;
        let current: Vec<DeviceRow> = results.take(0)?;
        let previous: Vec<DeviceRow> = results.take(1)?;
        let current = current.into_iter().next().map(|row| (row, false));
        let found = current.or_else(|| previous.into_iter().next().map(|row| (row, true)));
        found.map(|(row, is_previous)| row.into_device().map(|device| (device, is_previous))).transpose()
    }

    /// The device with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_device(&self, id: TrustedDeviceId) -> Result<Option<TrustedDevice>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", device_record(id)));
        let row: Option<DeviceRow> = settle(query.await?)?.take(0)?;
        row.map(DeviceRow::into_device).transpose()
    }

    /// The devices of these people, latest use first, whether or not their time is over.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_devices(&self, accounts: &[AccountId]) -> Result<Vec<TrustedDevice>, StoreError> {
        let accounts = accounts.iter().map(|account| uuid(account.uuid()));
        let statement = "SELECT * FROM trusted_device WHERE account IN $keys";
        let rows: Vec<DeviceRow> = self.0.rows_by_keys(statement, accounts).await?;
        let mut devices: Vec<TrustedDevice> = rows.into_iter().map(DeviceRow::into_device).collect::<Result<_, _>>()?;
        devices.sort_by_key(|device| std::cmp::Reverse((device.last_used.unwrap_or(device.created), device.id)));
        Ok(devices)
    }
}

impl Store {
    /// Ends the trust in devices of one person, and these logins.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn remove_devices(
        &self,
        home: OrganizationId,
        devices: &[TrustedDeviceId],
        ending: Option<&LoginEnd>,
        reason: EndReason,
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            write.push("DELETE $devices RETURN NONE;");
            write.bind("devices", devices.iter().map(|id| device_record(*id)).collect::<Vec<_>>());
            if let Some(which) = ending {
                push_end_logins(write, which, reason, event.at);
            }
            push_mails(write, mails);
        })
        .await
    }
}
