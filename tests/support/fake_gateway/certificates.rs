//! Certificates as gateways have them, and wrong ones.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The authority, and what it has signed; PEM.
pub struct Certificates {
    pub ca: String,
    pub server: String,
    pub server_key: String,
    /// The authority of the clients, where the server asks for one, and a client's certificate and key.
    pub tenant: Option<[String; 3]>,
}

impl Certificates {
    /// For 127.0.0.1.
    pub fn usual() -> Self {
        Self::of("gateway", &["127.0.0.1"])
    }

    /// As the gateway's installer makes them without a name: the server's certificate has the authority's name.
    pub fn with_the_authoritys_name() -> Self {
        Self::of("ca", &["127.0.0.1"])
    }

    pub fn of(name: &str, hosts: &[&str]) -> Self {
        let (ca, issuer) = authority();
        let (server, server_key) = leaf(&issuer, name, hosts);
        Self { ca, server, server_key, tenant: None }
    }

    /// The same, and clients must have a certificate too.
    pub fn with_tenant(mut self) -> Self {
        let (ca, issuer) = authority();
        let (certificate, key) = leaf(&issuer, "tenant", &[]);
        self.tenant = Some([ca, certificate, key]);
        self
    }

    pub fn write(&self, folder: &Path) {
        let file = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        file("ca.crt", &self.ca);
        file("server.crt", &self.server);
        file("server.key", &self.server_key);
        if let Some([ca, certificate, key]) = &self.tenant {
            file("tenants.crt", ca);
            file("tenant.crt", certificate);
            file("tenant.key", key);
        }
    }
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = params("ca", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    (certificate, Issuer::new(params, key))
}

fn leaf(issuer: &Issuer<'static, KeyPair>, name: &str, hosts: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = params(name, hosts).signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages.push(KeyUsagePurpose::DigitalSignature);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params
}
