//! Traces, sent by OTLP over HTTP as protobuf: a span for each request, and below it what was done for it. Of what a client
//! sends they have the method, and the trace it says it belongs to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Link, SamplingResult, SpanKind, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, ShouldSample};
use tokio::runtime::Handle;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::TRACE;
use crate::config::TelemetryConfig;

/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it may take for what is left when the server stops.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// Spans on their way. What is left is sent when this is dropped, which waits for it: on a runtime of several threads.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// None without an endpoint.
    ///
    /// # Errors
    ///
    /// When the endpoint cannot be used.
    pub(super) fn new(settings: &TelemetryConfig) -> Result<Option<Self>, String> {
        if settings.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", settings.otlp_endpoint.trim_end_matches('/')))
            .with_http_client(Sender::new()?)
            .build()
            .map_err(|error| format!("telemetry.otlp_endpoint: {error}"))?;
        let begun = BegunByRequests(Sampler::TraceIdRatioBased(settings.sampling_ratio));
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name("rollcall").build())
            .with_sampler(Sampler::ParentBased(Box::new(begun)))
            .with_batch_exporter(exporter)
            .build();
        Ok(Some(Self(provider)))
    }

    /// Takes the spans that traces are made of and nothing else: no line of the log, no span of a library.
    pub(super) fn layer<S: Subscriber + for<'s> LookupSpan<'s>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("rollcall"))
            .with_context_activation(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TRACE, Level::INFO))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // The only worker of the runtime may be the one that waits here. What cannot be sent was logged by who sends it.
        let _ = tokio::task::block_in_place(|| self.0.shutdown_with_timeout(LAST_SPANS));
    }
}

/// As [`super::continue_trace`]. Of the caller's headers only this one is looked at; what is none begins a new trace.
pub(super) fn continue_trace(span: &Span, headers: &HeaderMap) {
    let Some(sent) = headers.get("traceparent").and_then(|value| value.to_str().ok()) else { return };
    let sent = HashMap::from([("traceparent".to_owned(), sent.to_owned())]);
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &sent);
    // A span that nobody listens to has no parent.
    let _ = span.set_parent(parent);
}

/// Traces begin with requests: what the server does by itself would be one of a single span each time.
#[derive(Clone, Debug)]
struct BegunByRequests(Sampler);

impl ShouldSample for BegunByRequests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = if *kind == SpanKind::Server { &self.0 } else { &Sampler::AlwaysOff };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

/// Sends on the runtime what the exporter hands over on a thread of its own.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    fails: AtomicBool,
}

impl Sender {
    fn new() -> Result<Self, String> {
        crate::crypto::choose_tls_backend();
        let builder = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        let client = builder.user_agent("rollcall").build().map_err(|error| error.to_string())?;
        Ok(Self { client, runtime: Handle::current(), fails: AtomicBool::new(false) })
    }

    /// Says that the collector does not take what it is sent, once until it does.
    fn note<E: std::fmt::Display>(&self, failure: Option<&E>) {
        let failed_before = self.fails.swap(failure.is_some(), Ordering::Relaxed);
        if let (Some(error), false) = (failure, failed_before) {
            tracing::warn!(error = %error, "traces cannot be sent: they are dropped until they can");
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, request) = (self.client.clone(), request.try_into()?);
        let sent = self.runtime.spawn(async move { client.execute(request).await?.error_for_status() }).await?;
        self.note(sent.as_ref().err());
        Ok(Response::builder().status(sent?.status()).body(Bytes::new())?)
    }
}
