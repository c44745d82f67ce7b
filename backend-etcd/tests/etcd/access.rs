//! TLS and passwords.

use anyhow::Result;
use election_core::{Coordinator, Kind};
use testkit::etcd::{Etcd, EtcdOptions};
use testkit::need::{self, Tool};
use testkit::tls::Certificates;

use crate::support::{BOUND, event, log, single, win, within};

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_clients_certificate() -> Result<()> {
    if !need::has(Tool::Etcd) {
        return Ok(());
    }
    log();
    let certificates = Certificates::new("worker")?;
    let etcd = Etcd::start(EtcdOptions::new().tls(&certificates)).await?;
    let host = &etcd.endpoints()[0];
    let files = |ca: &Certificates, client: &Certificates| {
        format!(
            "ca={}&cert={}&key={}",
            ca.authority().display(),
            client.client_certificate().display(),
            client.client_key().display()
        )
    };
    let coordinator =
        backend_etcd::connect(&format!("etcds://{host}?{}", files(&certificates, &certificates))).await?;
    win(&coordinator, "billing", "w-1").await?.resign().await?;
    let stranger = Certificates::new("stranger")?;
    let refused = [
        // An authority that has not signed the server's certificate; a client that the server does not know; a
        // name that is not in the certificate; no certificate at all.
        format!("etcds://{host}?{}", files(&stranger, &certificates)),
        format!("etcds://{host}?{}", files(&certificates, &stranger)),
        format!("etcds://{host}?{}&domain=example.org", files(&certificates, &certificates)),
        format!("etcds://{host}?ca={}", certificates.authority().display()),
    ];
    for url in refused {
        let error = within(backend_etcd::connect(&url)).await?.unwrap_err();
        println!("{error}");
        assert_eq!(error.kind(), Kind::PermissionDenied, "{url}: {error}");
    }
    let missing = backend_etcd::connect(&format!("etcds://{host}?ca=/nowhere.pem")).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::InvalidConfig);
    assert!(missing.to_string().contains("/nowhere.pem"), "{missing}");
    // Plain text at a port that speaks TLS.
    let plain = within(backend_etcd::connect(&format!("etcd://{host}?timeout=1s"))).await?.unwrap_err();
    println!("{plain}");
    assert!(matches!(plain.kind(), Kind::Unavailable | Kind::Timeout), "{plain}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_rights() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    log();
    let admin = etcd.admin().await?;
    admin.add_user("worker", "s3cret+", "/election/").await?;
    admin.add_user("narrow", "s3cret", "/elsewhere/").await?;
    admin.enable_auth("root").await?;
    let host = &etcd.endpoints()[0];
    let coordinator = backend_etcd::connect(&format!("etcd://worker:s3cret+@{host}?ttl=2s")).await?;
    let leadership = win(&coordinator, "billing", "w-1").await?;
    assert!(!format!("{coordinator:?}").contains("s3cret"));
    let mut events = coordinator.elector("billing")?.observe();
    assert_eq!(event(&mut events).await?.leader().unwrap().token, leadership.token());
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(leadership.check().is_ok());
    leadership.resign().await?;
    event(&mut events).await?;

    for user in ["worker:wrong@", "nobody:s3cret@", ""] {
        let error = within(async {
            let coordinator = backend_etcd::connect(&format!("etcd://{user}{host}?timeout=1s")).await?;
            coordinator.elector("billing")?.campaign(crate::support::candidate("w-1")).await
        });
        let error = error.await?.unwrap_err();
        println!("{error}");
        assert_eq!(error.kind(), Kind::PermissionDenied, "{user}: {error}");
        assert!(!format!("{error} {error:?}").contains("wrong"), "{error:?}");
    }

    let narrow = backend_etcd::connect(&format!("etcd://narrow:s3cret@{host}?ttl=2s")).await?;
    let elector = narrow.elector("billing")?;
    let error = within(elector.campaign(crate::support::candidate("w-1"))).await?.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
    use futures::StreamExt;
    let seen = tokio::time::timeout(BOUND, elector.observe().next()).await?.unwrap();
    assert_eq!(seen.unwrap_err().kind(), Kind::PermissionDenied);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_added_while_elections_go_on() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    log();
    let admin = etcd.admin().await?;
    admin.add_user("worker", "s3cret", "/election/").await?;
    admin.enable_auth("root").await?;
    let url = format!("etcd://worker:s3cret@{}?ttl=10s", etcd.endpoints()[0]);
    let coordinator = backend_etcd::connect(&url).await?;
    let root = etcd.admin_as("root", "root").await?;
    let adding = tokio::spawn(async move {
        for i in 0..20 {
            root.add_user(&format!("u{i}"), "s3cret", "/elsewhere/").await?;
        }
        anyhow::Ok(())
    });
    // What is under way meanwhile is refused, and sent again.
    while !adding.is_finished() {
        win(&coordinator, "billing", "w-1").await?.resign().await?;
    }
    adding.await?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_where_authentication_is_off() -> Result<()> {
    let Some(etcd) = single().await? else { return Ok(()) };
    log();
    let url = format!("etcd://worker:s3cret@{}", etcd.endpoints()[0]);
    let error = within(backend_etcd::connect(&url)).await?.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidConfig, "{error}");
    assert!(error.to_string().contains("remove the user"), "{error}");
    Ok(())
}
