//! The service's side of the payment provider: every request ends done, refused, or unknown.

use std::time::Duration;

use anyhow::Context;
use election_core::FencingToken;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;

use super::invoices::Invoice;
use super::provider::{Charge, Receipt};

/// What is known after a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The customer has been charged, once.
    Charged {
        /// The provider's number of the charge.
        charge: i64,
        /// Whether an earlier request with the same key had done it.
        replayed: bool,
    },
    /// The provider refuses for good. Nothing was charged.
    Declined(String),
    /// Nothing is known: the customer may or may not have been charged. Ask again, **with the same key**.
    Unknown(String),
}

/// A client of the payment provider.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    charges: String,
    worker: String,
}

impl Client {
    /// A client of the provider at `base`.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(base: &str, worker: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            // A provider that hangs is unknown after this, not for ever.
            .timeout(Duration::from_secs(15))
            .no_proxy()
            .build()
            .context("cannot build the HTTP client")?;
        Ok(Self { http, charges: format!("{base}/charges"), worker: worker.to_owned() })
    }

    /// Asks for one charge.
    pub async fn charge(&self, key: &str, invoice: &Invoice, token: FencingToken) -> Outcome {
        match self.ask(key, invoice, token).await {
            Ok(outcome) => outcome,
            // Also when the connection was refused: an earlier attempt may have come through.
            Err(error) => Outcome::Unknown(root_cause(&error)),
        }
    }

    async fn ask(&self, key: &str, invoice: &Invoice, token: FencingToken) -> anyhow::Result<Outcome> {
        let body = Charge {
            invoice: invoice.id.clone(),
            amount: invoice.amount.minor,
            currency: invoice.amount.currency.code().to_owned(),
            worker: self.worker.clone(),
            token: token.get(),
        };
        let key = HeaderValue::from_bytes(key.as_bytes())?;
        let response =
            self.http.post(&self.charges).header("idempotency-key", key).json(&body).send().await?;
        let status = response.status();
        if status.is_success() {
            let Receipt { charge, replayed } = response.json().await?;
            return Ok(Outcome::Charged { charge, replayed });
        }
        let why = format!("{status}: {}", response.text().await.unwrap_or_default());
        Ok(if is_final(status) { Outcome::Declined(why) } else { Outcome::Unknown(why) })
    }
}

/// Whether a refusal will stay one: a client error, except those that ask for another attempt.
fn is_final(status: StatusCode) -> bool {
    status.is_client_error()
        && !matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
        )
}

fn root_cause(error: &anyhow::Error) -> String {
    error.root_cause().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_error_that_stays_one_is_final() {
        for (status, last) in
            [(402, true), (422, true), (400, true), (429, false), (409, false), (500, false), (503, false)]
        {
            assert_eq!(is_final(StatusCode::from_u16(status).unwrap()), last, "{status}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_unknown() {
        let client = Client::new("http://127.0.0.1:1", "w").unwrap();
        let currency = crate::billing::money::Currency::parse("EUR").unwrap();
        let amount = crate::billing::money::Money { minor: 5, currency };
        let invoice = Invoice { id: "INV-1".into(), customer: "C".into(), amount };
        let outcome = client.charge("k", &invoice, FencingToken::new(1)).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    }
}
