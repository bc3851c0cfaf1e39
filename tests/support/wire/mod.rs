//! A simulated BioStar X server, and a plain HTTP client that is logged in.
#![allow(dead_code)] // Each test file uses its own part.

use bs2_events::sim::biostar_x::{BiostarXServer, BiostarXServerOptions};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use tokio_rustls::rustls::crypto::ring;

/// A server and a client that is logged in.
pub(crate) struct Wire {
    pub(crate) server: BiostarXServer,
    pub(crate) http: Client,
    pub(crate) session: String,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// `Response.code`, also of a bare body.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        json.get("Response").unwrap_or(&json)["code"].as_str().unwrap().to_owned()
    }

    /// The rows of a search.
    pub(crate) fn rows(&self) -> Vec<Value> {
        assert_eq!((self.status, self.code().as_str()), (200, "0"), "{}", self.text);
        self.json()["EventCollection"]["rows"].as_array().unwrap().clone()
    }
}

impl Wire {
    pub(crate) async fn new(settings: &str) -> Self {
        Self::with(settings.parse().unwrap()).await
    }

    pub(crate) async fn with(settings: BiostarXServerOptions) -> Self {
        let mut wire = Self::logged_out(settings).await;
        wire.log_in().await;
        wire
    }

    pub(crate) async fn logged_out(settings: BiostarXServerOptions) -> Self {
        let server = BiostarXServer::start(settings).await.unwrap();
        let http = client(server.ca_pem().unwrap());
        Self { server, http, session: String::new() }
    }

    pub(crate) async fn log_in(&mut self) {
        let reply = self.call("POST", "/api/login", login("simulated").as_str()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        self.session = reply.headers["bs-session-id"].to_str().unwrap().to_owned();
    }

    pub(crate) async fn device(&self, id: u32) {
        let body = json!({ "VirtualDevice": { "id": id, "name": format!("V{id}"), "device_group_id": { "id": 1 } } });
        let reply = self.call("POST", "/api/v2/virtual_devices", &body.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    pub(crate) async fn import(&self, device: u32, events: &[(&str, &str)]) -> Reply {
        self.try_import(device, events).await.unwrap()
    }

    /// Events by time and user, all granted.
    pub(crate) async fn try_import(&self, device: u32, events: &[(&str, &str)]) -> reqwest::Result<Reply> {
        let events: Vec<_> = events
            .iter()
            .map(|(time, user)| json!({ "dev_id": device, "evt": 4088, "datetime": time, "user_id": user }))
            .collect();
        let body = json!({ "packet_device_id": device, "is_virtual_device": true, "events": events });
        self.try_call("POST", "/api/events/import", &body.to_string()).await
    }

    pub(crate) async fn search(&self, query: Value) -> Reply {
        self.call("POST", "/api/events/search", &json!({ "Query": query }).to_string()).await
    }

    pub(crate) async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        self.try_call(method, target, body).await.unwrap()
    }

    pub(crate) async fn try_call(&self, method: &str, target: &str, body: &str) -> reqwest::Result<Reply> {
        let url = format!("{}{target}", self.server.url());
        let mut request = self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        if !self.session.is_empty() {
            request = request.header("bs-session-id", &self.session);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, text: response.text().await? })
    }
}

pub(crate) fn login(password: &str) -> String {
    json!({ "User": { "login_id": "admin", "password": password } }).to_string()
}

pub(crate) fn client(ca: &str) -> Client {
    // The second test of a process finds it installed.
    let _ = ring::default_provider().install_default();
    let root = Certificate::from_pem(ca.as_bytes()).unwrap();
    // A retry by the client would hide the server's behaviour.
    let builder = Client::builder().tls_certs_only([root]).pool_max_idle_per_host(0).no_proxy();
    builder.retry(reqwest::retry::never()).build().unwrap()
}
