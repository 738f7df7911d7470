//! A signed-out token stays signed out until it expires, and the number of such tokens is limited.

use super::*;

const LATER_S: u64 = NOW_S + 3600;

pub(super) async fn a_token_is_signed_out_until_it_expires(db: Db) {
    let store = &db.store;
    store.sign_out("anna", LATER_S).await.unwrap();
    store.sign_out("anna", LATER_S).await.unwrap();
    store.sign_out("expired", NOW_S - 60).await.unwrap();
    assert!(store.is_signed_out("anna").await.unwrap());
    assert!(!store.is_signed_out("ben").await.unwrap());
    assert!(!store.is_signed_out("ann_").await.unwrap(), "a name is no pattern");
    store.sign_out("ben", u64::MAX).await.unwrap();
    for (token, remembered) in [("anna", true), ("ben", true), ("expired", false)] {
        assert_eq!(store.is_signed_out(token).await.unwrap(), remembered, "{token}");
    }
    db.store.advance_mark().await.unwrap();
}

pub(super) async fn no_more_tokens_are_signed_out_than_may_be_and_none_is_forgotten_for_another(db: Db) {
    const OTHERS: &str = "
        with recursive n (i) as (select 1 union all select i + 1 from n where i < 9999)
        insert into meta (key, value) select 'signed_out/x' || i, 9999999999 from n returning value";
    db.sql(OTHERS).await.unwrap();
    db.store.sign_out("last", LATER_S).await.unwrap();
    let refused = db.store.sign_out("more", LATER_S).await;
    assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.contains("10000 tokens")), "{refused:?}");
    db.store.sign_out("last", LATER_S).await.unwrap();
    assert!(db.store.is_signed_out("x1").await.unwrap());
    // There is room again as tokens expire.
    db.sql("update meta set value = 1 where key = 'signed_out/x1' returning value").await.unwrap();
    let full = db.store.sign_out("more", LATER_S).await;
    assert!(full.is_ok(), "{full:?}");
    assert!(!db.store.is_signed_out("x1").await.unwrap());
}
