//! What a registry answers when nothing goes wrong.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use coldsign::digest::Digest;
use serde_json::{Value, json};

use super::{
    Asked, Auth, Deletes, IDENTITY, Inner, Location, OCI_INDEX, PASSWORD, READER, Reply, State, TOKEN, USER,
    form,
};

impl Inner {
    pub(super) fn answer(&self, state: &mut State, asked: &Asked) -> Reply {
        let path = asked.path();
        if path == "/token" {
            return token(asked);
        }
        let Some(path) = path.strip_prefix("/v2/") else { return Reply::error(404, "UNSUPPORTED", "") };
        let parts = ["/blobs/uploads/", "/blobs/", "/manifests/", "/referrers/", "/tags/"];
        let found =
            parts.iter().find_map(|part| path.rsplit_once(part).map(|(name, rest)| (name, *part, rest)));
        let (name, part, rest) = found.unwrap_or_default();
        if !self.may(asked, name) {
            return self.unauthorized(asked);
        }
        match (asked.method.as_str(), part) {
            ("GET", "") if path.is_empty() => Reply::new(200).json(&json!({})),
            ("GET" | "HEAD", "/blobs/") => match state.held.get(name).and_then(|held| held.blobs.get(rest)) {
                Some(blob) => Reply::new(200)
                    .body("application/octet-stream", blob.clone())
                    .header("Docker-Content-Digest", rest),
                None => Reply::error(404, "BLOB_UNKNOWN", ""),
            },
            ("GET" | "HEAD", "/manifests/") => get_manifest(state, asked, name, rest),
            ("PUT", "/manifests/") => self.put_manifest(state, asked, name, rest),
            ("DELETE", "/manifests/") => {
                let held = state.held.entry(name.to_owned()).or_default();
                let gone = if rest.contains(':') {
                    held.tags.retain(|_, named| named != rest);
                    held.manifests.remove(rest).is_some()
                } else if self.manners.deletes == Deletes::DigestsOnly {
                    return Reply::error(400, "UNSUPPORTED", "digests only");
                } else {
                    held.tags.remove(rest).is_some()
                };
                if gone { Reply::new(202) } else { Reply::error(404, "MANIFEST_UNKNOWN", "") }
            }
            (_, "/blobs/uploads/") => self.upload(state, asked, name, rest),
            ("GET", "/referrers/") => self.referrers(state, asked, name, rest),
            ("GET", "/tags/") => match state.held.get(name) {
                Some(held) => {
                    let tags: Vec<&String> = held.tags.keys().collect();
                    Reply::new(200).json(&json!({"name": name, "tags": tags}))
                }
                None => Reply::error(404, "NAME_UNKNOWN", ""),
            },
            _ => Reply::error(405, "UNSUPPORTED", ""),
        }
    }

    fn put_manifest(&self, state: &mut State, asked: &Asked, name: &str, reference: &str) -> Reply {
        let digest = Digest::of(&asked.body).to_string();
        let Ok(manifest) = serde_json::from_slice::<Value>(&asked.body) else {
            return Reply::error(400, "MANIFEST_INVALID", "not JSON");
        };
        if reference.contains(':') && reference != digest {
            return Reply::error(400, "DIGEST_INVALID", &digest);
        }
        let held = state.held.entry(name.to_owned()).or_default();
        let named = |list: &str| manifest[list].as_array().cloned().unwrap_or_default();
        let text = |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().to_owned();
        let config = manifest.get("config").into_iter().cloned();
        let blobs = config.chain(named("layers")).all(|blob| held.blobs.contains_key(&text(&blob)));
        let below = named("manifests").iter().all(|child| held.manifests.contains_key(&text(child)));
        if !(self.manners.lax || blobs && below) {
            return Reply::error(400, "MANIFEST_BLOB_UNKNOWN", "a blob is missing");
        }
        let media_type = asked.header("content-type").unwrap_or_default().to_owned();
        held.manifests.insert(digest.clone(), (media_type, asked.body.clone()));
        if !reference.contains(':') {
            held.tags.insert(reference.to_owned(), digest.clone());
        }
        let reply = Reply::new(201)
            .header("Location", format!("/v2/{name}/manifests/{digest}"))
            .header("Docker-Content-Digest", digest);
        match manifest["subject"]["digest"].as_str().filter(|_| self.manners.referrers == 200) {
            Some(subject) => reply.header("OCI-Subject", subject),
            None => reply,
        }
    }

    fn upload(&self, state: &mut State, asked: &Asked, name: &str, id: &str) -> Reply {
        let digest = asked.query("digest");
        if let (Some(mount), Some(from), true) =
            (asked.query("mount"), asked.query("from"), self.manners.mounts)
            && let Some(blob) = state.held.get(&from).and_then(|held| held.blobs.get(&mount)).cloned()
        {
            state.held.entry(name.to_owned()).or_default().blobs.insert(mount.clone(), blob);
            return Reply::new(201)
                .header("Location", format!("/v2/{name}/blobs/{mount}"))
                .header("Docker-Content-Digest", mount);
        }
        let mut content = match (asked.method.as_str(), state.uploads.remove(id)) {
            ("POST", _) if digest.is_some() && self.manners.one_request => Vec::new(),
            ("POST", _) => {
                state.begun += 1;
                let id = state.begun.to_string();
                state.uploads.insert(id.clone(), Vec::new());
                return Reply::new(202).header("Location", self.location(name, &id));
            }
            ("PATCH" | "PUT", Some(content)) if self.is_of(asked, id) => content,
            ("DELETE", Some(_)) => return Reply::new(204),
            _ => return Reply::error(404, "BLOB_UPLOAD_UNKNOWN", ""),
        };
        content.extend_from_slice(&asked.body);
        if asked.method == "PATCH" {
            let reply = Reply::new(202)
                .header("Location", self.location(name, id))
                .header("Range", format!("0-{}", content.len().max(1) - 1));
            state.uploads.insert(id.to_owned(), content);
            return reply;
        }
        let found = Digest::of(&content).to_string();
        if digest.as_deref() != Some(&found) {
            return Reply::error(400, "DIGEST_INVALID", &found);
        }
        state.held.entry(name.to_owned()).or_default().blobs.insert(found.clone(), content);
        Reply::new(201)
            .header("Location", format!("/v2/{name}/blobs/{found}"))
            .header("Docker-Content-Digest", found)
    }

    fn location(&self, name: &str, id: &str) -> String {
        let relative = format!("/v2/{name}/blobs/uploads/{id}");
        match self.manners.location {
            Location::Relative => relative,
            Location::RelativeWithQuery => format!("{relative}?state={id}%2Bx"),
            Location::AbsoluteWithQuery => format!("http://{}{relative}?state={id}%2Bx", self.address),
        }
    }

    /// Whether the query of an upload's address came back as it was given.
    fn is_of(&self, asked: &Asked, id: &str) -> bool {
        self.manners.location == Location::Relative || asked.query("state") == Some(format!("{id}+x"))
    }

    fn referrers(&self, state: &State, asked: &Asked, name: &str, subject: &str) -> Reply {
        if self.manners.referrers != 200 {
            return Reply::error(self.manners.referrers, "UNSUPPORTED", "");
        }
        let all = state.held.get(name).map(|held| held.referrers(subject)).unwrap_or_default();
        let from = asked.query("from").and_then(|from| from.parse().ok()).unwrap_or(0);
        let page = if self.manners.page == 0 { all.len() } else { self.manners.page };
        let some: Vec<&Value> = all.iter().skip(from).take(page).collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": some});
        let reply = Reply::new(200).body(OCI_INDEX, index.to_string());
        if from + page >= all.len() {
            return reply;
        }
        let next = format!("</v2/{name}/referrers/{subject}?from={}>; rel=\"next\"", from + page);
        reply.header("Link", next)
    }

    fn may(&self, asked: &Asked, name: &str) -> bool {
        let given = asked.header("authorization").unwrap_or_default();
        match &self.manners.auth {
            Auth::Open => true,
            Auth::Basic => given == basic(USER) || given == basic(READER) && needed(asked) == "pull",
            Auth::Bearer(_) => {
                let scope = given
                    .strip_prefix("Bearer ")
                    .and_then(|token| token.strip_prefix(TOKEN)?.strip_prefix('.'))
                    .and_then(|scope| URL_SAFE_NO_PAD.decode(scope).ok());
                let scope = scope.map(|scope| String::from_utf8_lossy(&scope).into_owned());
                let actions = scope.as_deref().and_then(|scope| scope.strip_prefix("repository:"));
                let actions = actions.and_then(|scope| scope.strip_prefix(name)?.strip_prefix(':'));
                actions.is_some_and(|actions| actions.split(',').any(|action| action == needed(asked)))
            }
        }
    }

    pub(super) fn unauthorized(&self, asked: &Asked) -> Reply {
        let challenge = match &self.manners.auth {
            Auth::Open | Auth::Basic => "Basic realm=\"test\"".to_owned(),
            Auth::Bearer(realm) => {
                let own = format!("http://{}/token", self.address);
                let path = asked.path().strip_prefix("/v2/").unwrap_or_default();
                let parts = ["/blobs/", "/manifests/", "/referrers/", "/tags/"];
                let name = parts.iter().find_map(|part| path.split_once(part)).unwrap_or_default().0;
                let actions = if needed(asked) == "pull" { "pull" } else { "pull,push" };
                format!(
                    "Bearer realm=\"{}\",service=\"test\",scope=\"repository:{name}:{actions}\"",
                    realm.as_ref().unwrap_or(&own)
                )
            }
        };
        Reply::error(401, "UNAUTHORIZED", "authentication required").header("WWW-Authenticate", challenge)
    }
}

fn needed(asked: &Asked) -> &'static str {
    if matches!(asked.method.as_str(), "GET" | "HEAD") { "pull" } else { "push" }
}

fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{PASSWORD}")))
}

/// The token service: a token is for the one scope that is asked for, or for what of it the user may.
fn token(asked: &Asked) -> Reply {
    let posted = form(&String::from_utf8_lossy(&asked.body));
    let posted = |name: &str| posted.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let (scope, known) = if asked.method == "POST" {
        let granted = posted("grant_type").as_deref() == Some("refresh_token");
        (posted("scope"), granted && posted("refresh_token").as_deref() == Some(IDENTITY))
    } else {
        let given = asked.header("authorization").unwrap_or_default();
        let reads = given == basic(READER);
        let scope = asked.query("scope");
        let scope = if reads { scope.map(|scope| scope.replace(",push", "")) } else { scope };
        (scope, reads || given == basic(USER))
    };
    match scope {
        Some(scope) if known => {
            let token = format!("{TOKEN}.{}", URL_SAFE_NO_PAD.encode(scope));
            Reply::new(200).json(&json!({"token": token, "access_token": token, "expires_in": 300}))
        }
        _ => Reply::error(401, "UNAUTHORIZED", "no such user"),
    }
}

fn get_manifest(state: &State, asked: &Asked, name: &str, reference: &str) -> Reply {
    let absent = || Reply::error(404, "MANIFEST_UNKNOWN", "");
    let Some(held) = state.held.get(name) else { return Reply::error(404, "NAME_UNKNOWN", "") };
    let Some(digest) = held.digest_of(reference) else { return absent() };
    let Some((media_type, bytes)) = held.manifests.get(&digest) else { return absent() };
    // As distribution does: who does not say that they take it, do not get it.
    let kind = media_type.split(';').next().unwrap_or_default();
    let mut accepted = asked.headers.iter().filter(|(name, _)| name == "accept");
    if !accepted.any(|(_, accept)| accept.contains(kind) || accept.contains("*/*")) {
        return absent();
    }
    Reply::new(200).body(media_type, bytes.clone()).header("Docker-Content-Digest", digest)
}
