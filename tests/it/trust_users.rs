//! Limits of one directory, or one organization, over a user that others rely on.

use std::time::Duration;

use rollcall::domain::directory::DirectoryDraft;
use serde_json::{Value, json};

use crate::support::{Engine, Owned, Person, Scim, TestApp};

const EXTENSION: &str = scim::schema::ROLLCALL_USER;

async fn id_of(person: &Person) -> String {
    person.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned()
}

async fn set_active(scim: &Scim, user: &str, active: bool) -> Value {
    let operations = json!([{"op": "replace", "path": "active", "value": active}]);
    scim.patch(&format!("/Users/{user}"), operations).await.expect(200)
}

/// S-4: two directories, one flag each.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_lets_nobody_in_whom_another_one_keeps_out() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let (_, entra) = app.directory(acme.id, DirectoryDraft::named("Entra")).await;
        let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
        let id = id_of(&babs.sign_in().await).await;
        assert_eq!(set_active(&acme.scim, &id, false).await["active"], false);
        let shown = set_active(&entra, &id, true).await;
        assert_eq!(shown["active"], true, "its own flag, as it wrote it");
        assert_eq!(shown[EXTENSION]["effectiveActive"], false);
        assert!(babs.login_payload(json!({})).await["session"].is_null(), "the first directory's flag still says no");
        for (client, active) in [(&acme.scim, false), (&entra, true), (&acme.scim, false)] {
            let path = format!("/Users/{id}");
            assert_eq!(client.get(&path).await.expect(200)["active"], active, "each reads what it wrote");
        }
        // Both say no, and each lifts its own.
        set_active(&entra, &id, false).await;
        set_active(&acme.scim, &id, true).await;
        assert!(babs.login_payload(json!({})).await["session"].is_null());
        set_active(&entra, &id, true).await;
        assert!(babs.sign_in().await.is_in().await);
        app.assert_consistent().await;
        app.stop();
    }
}

/// S-4: what a directory kept out stays out without it, until an administrator lets it in.
#[tokio::test(flavor = "multi_thread")]
async fn whom_a_deleted_directory_kept_out_is_held_by_the_organization() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let (entra_id, entra) = app.directory(acme.id, DirectoryDraft::named("Entra")).await;
        let okta = owner.ask("{ directories { nodes { id displayName } } }", json!({})).await.data();
        let okta = okta["directories"]["nodes"].as_array().expect("a list").clone();
        let okta = okta.iter().find(|one| one["displayName"] == "Okta").expect("Okta")["id"].clone();
        let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
        let id = id_of(&babs.sign_in().await).await;
        let path = format!("/Users/{id}");
        set_active(&acme.scim, &id, false).await;
        entra.patch(&path, json!([{"op": "replace", "path": "title", "value": "Dr"}])).await.expect(200);
        owner.done("deleteDirectory", json!({"directoryId": okta}), "deletedDirectoryId").await;
        let by = json!({"id": id});
        let ask = "query($by: UserRef!) { user(by: $by) { status localHold { reason } } }";
        let user = owner.ask(ask, json!({ "by": by })).await.data()["user"].clone();
        assert_eq!(user, json!({"status": "DISABLED", "localHold": {"reason": "directory deleted"}}));
        set_active(&entra, &id, true).await;
        assert!(babs.login_payload(json!({})).await["session"].is_null(), "no directory lifts a local hold");
        // The other directory's claims are its own.
        let refused = owner.mutate("updateUser", json!({"user": by, "title": "x"}), "user { id }").await;
        assert_eq!(refused["userErrors"][0]["params"]["owner"], "Entra");
        owner.done("enableUser", json!({ "user": by }), "user { status }").await;
        assert!(babs.sign_in().await.is_in().await);
        // With its own directory gone too nobody writes the title but administrators.
        owner.done("deleteDirectory", json!({"directoryId": entra_id.to_string()}), "deletedDirectoryId").await;
        owner.done("updateUser", json!({"user": by, "title": "x"}), "user { title }").await;
        app.assert_consistent().await;
        app.stop();
    }
}

const PASSWORD: &str = "vK9 pl2 mQz wX7 vals";

/// S-9: the mail to a mistyped address opens nothing once the address is corrected, whoever corrects it.
#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_ends_with_the_address_that_it_was_sent_to() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        for (number, by_directory) in [false, true].into_iter().enumerate() {
            let (wrong, right) = (format!("bob{number}@tpyo.example"), format!("bob{number}@typo.example"));
            let input = json!({"userName": format!("bob{number}"), "email": wrong, "roles": [{"key": "admin"}], "sendInvitation": true});
            let made = owner.done("createUser", input, "user { id }").await;
            let id = made["user"]["id"].as_str().expect("an id").to_owned();
            let link = app.token_in_mail(&wrong, 1).await;
            if by_directory {
                let emails = json!([{"value": right, "type": "work", "primary": true}]);
                let operations = json!([{"op": "replace", "path": "emails", "value": emails}]);
                acme.scim.patch(&format!("/Users/{id}"), operations).await.expect(200);
            } else {
                owner.done("updateUser", json!({"user": {"id": id}, "email": right}), "user { id }").await;
            }
            let stranger = Person::new(&app.url, &wrong, PASSWORD);
            let accept = json!({"token": link, "password": PASSWORD});
            let code = stranger.refused("acceptInvitation", accept).await;
            assert!(["TOKEN_INVALID", "INVITATION_NOT_PENDING"].contains(&code.as_str()), "{code}");
            // The corrected address is invited and accepted as ever.
            owner.done("sendInvitations", json!({"userIds": [id]}), "results { invitation { id } }").await;
            let link = app.token_in_mail(&right, 1).await;
            let bob = Person::new(&app.url, &right, PASSWORD);
            let joined =
                bob.done("acceptInvitation", json!({"token": link, "password": PASSWORD}), "user { id }").await;
            assert_eq!(joined["user"]["id"], id.as_str());
        }
        let cancelled = app.events(acme.id).await.iter().filter(|event| event.kind == "invitation.cancelled").count();
        assert_eq!(cancelled, 2, "each is told");
        app.assert_consistent().await;
        app.stop();
    }
}

/// S-10: an invitation that no longer stands gives nothing, also when a directory provisions the address.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_honours_no_invitation_that_its_link_would_not() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let operator = rollcall::domain::Caller::operator(None);
    app.service.add_domain(&operator, acme.id, "acme.example").await.expect("added");
    let admin = app.member(acme.id, "admin@acme.example", &["admin"]).await.sign_in().await;
    let invite = |email: &str| json!({"invitations": [{"email": email, "name": "F", "roles": [{"key": "admin"}], "connection": null}]});
    for friend in ["friend@acme.example", "other@acme.example"] {
        admin.done("invite", invite(friend), "results { invitation { id } }").await;
    }
    let provisioned = async |email: &str| {
        let emails = json!([{"value": email, "type": "work", "primary": true}]);
        let mut body = crate::support::user(email);
        body["emails"] = emails;
        let id = acme.scim.make("/Users", &body).await;
        let ask = "query($id: ID!) { user(by: {id: $id}) { roles { key } } }";
        owner.ask(ask, json!({ "id": id })).await.data()["user"]["roles"].clone()
    };
    assert_eq!(provisioned("other@acme.example").await, json!([{"key": "admin"}]), "as long as it stands");
    let id = id_of(&admin).await;
    owner.done("disableUser", json!({"user": {"id": id}}), "user { id }").await;
    assert_eq!(provisioned("friend@acme.example").await, json!([{"key": "member"}]), "its inviter is disabled");
    let link = app.token_in_mail("friend@acme.example", 1).await;
    let friend = Person::new(&app.url, "friend@acme.example", PASSWORD);
    let accept = json!({"token": link, "password": PASSWORD});
    assert_eq!(friend.refused("acceptInvitation", accept).await, "INSUFFICIENT_RANK");
}

/// A person who owns globex and has this role in acme, signed in to globex, with the user of acme. The role `silent` may not
/// change one's own profile.
async fn owner_elsewhere(app: &TestApp, role: &str) -> (Owned, Owned, Person, String) {
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let silent = json!({"key": "silent", "name": "Silent", "permissions": ["groups_read"]});
    acme.owner.sign_in().await.done("createRole", silent, "role { id }").await;
    app.invite(acme.id, &globex.owner.email, "Guest", &[role]).await;
    let person = globex.owner.sign_in().await;
    let token = app.token_in_mail(&globex.owner.email, 1).await;
    let joined = person.done("acceptInvitation", json!({"token": token}), "user { id }").await;
    let there = joined["user"]["id"].as_str().expect("an id").to_owned();
    (acme, globex, person, there)
}

const SKIPPED: &str = "user { id } skippedOrganizations { shortName }";

/// S-6: an organization's record follows that organization's rules, wherever the change is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_elsewhere_only_where_the_person_may_change_it_there() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let (acme, _, person, there) = owner_elsewhere(&app, "member").await;
        let boss = acme.owner.sign_in().await;
        let path = format!("/Users/{there}");
        let done = person.done("updateMe", json!({"displayName": "Ada"}), SKIPPED).await;
        assert_eq!(done["skippedOrganizations"], json!([]), "as a rule it is one person");
        let record = acme.scim.get(&path).await.expect(200);
        assert_eq!(record["displayName"], "Ada");
        let told: Vec<_> = app.events(acme.id).await.into_iter().filter(|event| event.kind == "user.updated").collect();
        assert_eq!(told.len(), 1, "each organization's trail tells it");
        assert_eq!(told[0].actor["id"], there.as_str(), "as what its own user did");
        // Kept out there.
        boss.done("disableUser", json!({"user": {"id": there}}), "user { id }").await;
        let done = person.done("updateMe", json!({"title": "CEO"}), SKIPPED).await;
        assert_eq!(done["skippedOrganizations"], json!([{"shortName": "acme"}]));
        assert_eq!(acme.scim.get(&path).await.expect(200).get("title"), None);
        app.assert_consistent().await;
        app.stop();
    }
}

/// S-6: the permission is asked for where the record is.
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_stays_where_the_person_lacks_the_permission_to_change_it() {
    let app = TestApp::start().await;
    let (acme, _, person, there) = owner_elsewhere(&app, "silent").await;
    let done = person.done("updateMe", json!({"displayName": "Acme IT Support"}), SKIPPED).await;
    assert_eq!(done["skippedOrganizations"], json!([{"shortName": "acme"}]));
    assert_eq!(acme.scim.get(&format!("/Users/{there}")).await.expect(200)["displayName"], "Guest");
    let added = person.done("addEmail", json!({"email": "second@globex.example"}), "email { id }").await;
    let token = app.token_in_mail("second@globex.example", 1).await;
    person.done("verifyEmail", json!({ "token": token }), "email { id }").await;
    person.done("setPrimaryEmail", json!({"emailId": added["email"]["id"]}), "email { isPrimary }").await;
    assert_eq!(acme.scim.count("/Users", "emails.value eq \"second@globex.example\"").await, 0);
}

/// S-6: an address counts in each organization by that organization's own mode, and refers to nobody until it is proven.
#[tokio::test(flavor = "multi_thread")]
async fn an_unproven_address_reaches_no_organization_that_wants_the_proof_first() {
    let app = TestApp::start().await;
    let (acme, globex, person, there) = owner_elsewhere(&app, "member").await;
    let boss = acme.owner.sign_in().await;
    let operator = rollcall::domain::Caller::operator(Some(globex.id));
    app.service.update_policy(&operator, |policy| policy.email_change_is_immediate = true).await.expect("set");
    let wanted = "new.cfo@acme.example";
    person.done("updateMe", json!({ "email": wanted }), SKIPPED).await;
    assert_eq!(globex.scim.count("/Users", &format!("emails.value eq \"{wanted}\"")).await, 1, "at once at home");
    let filter = format!("emails.value eq \"{wanted}\"");
    assert_eq!(acme.scim.count("/Users", &filter).await, 0, "not where the proof comes first");
    let ask = "query($id: ID!) { user(by: {id: $id}) { email } }";
    let shown = boss.ask(ask, json!({ "id": there })).await.data();
    assert_eq!(shown["user"]["email"], globex.owner.email.as_str());
    let roles = json!({"user": {"email": wanted}, "roles": [{"key": "admin"}]});
    assert_eq!(boss.refused("addUserRoles", roles.clone()).await, "NOT_FOUND");
    assert_eq!(person.refused("addUserRoles", roles).await, "NOT_FOUND", "nor where it counts at once");
    let item = json!({"email": wanted, "name": "CFO", "roles": [], "connection": null});
    let invited =
        boss.done("invite", json!({"invitations": [item]}), "results { invitation { id } userErrors { code } }").await;
    assert!(invited["results"][0]["invitation"]["id"].is_string(), "the one whose it is can be invited: {invited}");
    // Proven, it is the person's everywhere.
    let token = app.token_in_mail(wanted, 1).await;
    person.done("verifyEmail", json!({ "token": token }), "email { isPrimary }").await;
    assert_eq!(acme.scim.count("/Users", &filter).await, 1);
    let changed = app.events(acme.id).await.into_iter().filter(|event| event.kind == "user.email_changed").count();
    assert_eq!(changed, 1, "and told there");
}

/// S-7: whoever made an account does not come in with it where its owner is trusted.
#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_manages_an_account_does_not_reach_into_another() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
        let (boss, foreign) = (acme.owner.sign_in().await, globex.owner.sign_in().await);
        let victim = "victim@victims.example";
        let made = json!({"userName": "victim", "email": victim, "credentials": {"password": PASSWORD}});
        let made = foreign.done("createUser", made, "user { id }").await;
        let known = Person::new(&app.url, victim, PASSWORD);
        let mail = app.smtp.nth(victim, 1).await;
        assert!(String::from_utf8_lossy(&mail.data).contains("globex"), "the mail says whose the account is");
        // The proof of the address voids what the maker of the account knows.
        let token = app.token_in_mail(victim, 1).await;
        known.done("verifyEmail", json!({ "token": token }), "email { isVerified }").await;
        assert!(known.login_payload(json!({})).await["session"].is_null());
        let own = known.with_password("own wX7 vals vK9 pl2 mQz");
        let reset = json!({"token": app.next_token(victim, 1).await, "newPassword": own.password});
        own.done("completePasswordReset", reset, "clientMutationId").await;
        let person = own.sign_in().await;
        // The inviter sees who manages the account; its owner joins.
        let item = json!({"email": victim, "name": "V", "roles": [{"key": "admin"}], "connection": null});
        let sent = boss
            .done("invite", json!({"invitations": [item]}), "results { invitation { isAccountManagedElsewhere } }")
            .await;
        assert_eq!(sent["results"][0]["invitation"]["isAccountManagedElsewhere"], true);
        let invitation = app.next_token(victim, 2).await;
        person.done("acceptInvitation", json!({ "token": invitation }), "user { id }").await;
        let to_acme = json!({"organization": {"shortName": "acme"}});
        assert!(own.login_payload(to_acme.clone()).await["session"].is_object(), "the person's own password");
        // A reset by the managing organization is good for that organization.
        let user = json!({"user": {"id": made["user"]["id"]}});
        let given = foreign.done("resetPassword", user.clone(), "temporaryPassword").await;
        let temporary = own.with_password(given["temporaryPassword"].as_str().expect("a password"));
        assert!(temporary.login_payload(to_acme.clone()).await["session"].is_null());
        let inside = temporary.sign_in().await;
        assert_eq!(inside.refused("switchOrganization", to_acme.clone()).await, "EMAIL_UNVERIFIED");
        assert_eq!(inside.me("organization { shortName }").await["organization"]["shortName"], "globex");
        // So is a link that it had sent.
        let before = app.links(victim).len();
        foreign.done("sendPasswordReset", user.clone(), "clientMutationId").await;
        let link = app.next_token(victim, before).await;
        let linked = own.with_password("linked wX7 vals vK9 pl2 mQz");
        let input = json!({"token": link, "newPassword": linked.password});
        own.done("completePasswordReset", input, "clientMutationId").await;
        assert!(linked.login_payload(to_acme.clone()).await["session"].is_null());
        // Until the person sets a password by a link that they asked for themselves.
        own.done("requestPasswordReset", json!({ "email": victim }), "clientMutationId").await;
        let link = app.next_token(victim, before + 1).await;
        let again = own.with_password("again wX7 vals vK9 pl2 mQz");
        own.done("completePasswordReset", json!({"token": link, "newPassword": again.password}), "clientMutationId")
            .await;
        assert!(again.login_payload(to_acme.clone()).await["session"].is_object());
        // A change of the password lifts nothing: the organization knows the temporary one and could make it, too.
        let given = foreign.done("resetPassword", user, "temporaryPassword").await;
        let temporary = own.with_password(given["temporaryPassword"].as_str().expect("a password")).sign_in().await;
        let change = json!({"currentPassword": temporary.password, "newPassword": own.password});
        temporary.done("changePassword", change, "session { accessToken }").await;
        assert!(own.login_payload(to_acme.clone()).await["session"].is_null());
        // An address that the organization adds to the person's own proves the organization.
        let foreign = globex.owner.sign_in().await;
        let added = "added@globex.example";
        let input = json!({"user": {"id": made["user"]["id"]}, "email": added});
        foreign.done("addEmail", input, "email { id }").await;
        let token = app.token_in_mail(added, 1).await;
        foreign.done("verifyEmail", json!({ "token": token }), "email { id }").await;
        app.clock.advance(Duration::from_secs(25 * 3_600));
        foreign.signed_out().done("requestPasswordReset", json!({ "email": added }), "clientMutationId").await;
        let taken = Person::new(&app.url, added, "taken wX7 vals vK9 pl2 mQz");
        let input = json!({"token": app.latest_token(added, "rcp_").await, "newPassword": taken.password});
        taken.done("completePasswordReset", input, "clientMutationId").await;
        assert!(taken.login_payload(to_acme).await["session"].is_null());
        app.stop();
    }
}
