//! Members that a test makes up.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::caller::{Caller, Origin};
use super::door::Door;
use super::limits::Connections;
use super::refusal::{Failure, Refused};
use super::server::{Answer, Entrance, Handler, serve};
use super::tls::Security;
use super::wire::{Hello, Request, Response};
use crate::store::Incarnation;

struct Member<F> {
    refuses: Option<Refused>,
    answers: F,
}

impl<F: Fn(Request) -> Result<Response, Failure> + Send + Sync + 'static> Handler for Member<F> {
    async fn greet(&self, _hello: &Hello, origin: &Result<Origin, String>) -> Result<Origin, Refused> {
        self.refuses.clone().map_or_else(|| Ok(origin.clone().unwrap()), Err)
    }

    fn incarnation(&self) -> Incarnation {
        7
    }

    async fn handle(&self, _caller: Arc<Caller>, request: Request) -> Answer {
        Answer::Once((self.answers)(request))
    }
}

async fn listening(
    member: Member<impl Fn(Request) -> Result<Response, Failure> + Send + Sync + 'static>,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let door = Door::new(Connections::default());
    let entrance = Arc::new(Entrance { handler: Arc::new(member), security: Security::Plaintext, door });
    tokio::spawn(serve(listener, entrance, CancellationToken::new()));
    address
}

/// The address of a member that answers so, as long as the test runs.
pub(crate) async fn answering(
    answers: impl Fn(Request) -> Result<Response, Failure> + Send + Sync + 'static,
) -> String {
    listening(Member { refuses: None, answers }).await
}

/// The address of a member that turns everybody away.
pub(crate) async fn refusing(refused: Refused) -> String {
    let answers = |_| unreachable!("nobody gets in");
    listening(Member { refuses: Some(refused), answers }).await
}
