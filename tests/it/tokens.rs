//! Who is let in: holders of a fresh access token of our provider, for us. Every other token looks the same from outside.

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey};
use portal_app::{Config, Identities, SignInError};
use portal_domain::id::AccountId;
use portal_local::identity::{Identity, Settings, SignIn};
use portal_local::stack::{CLIENT, ISSUER_NAME, Options};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Answer, Portal, SECOND};

/// Longer than unknown keys keep the key set from being fetched again.
const PAUSE: SignedDuration = SignedDuration::from_secs(31);

/// Makes tokens that differ from a good one in one thing.
struct Forge<'a> {
    portal: &'a Portal,
    person: SignIn,
    header: Value,
    claims: Value,
    /// A good token.
    good: String,
}

/// Tokens with what is wrong with them.
type Tokens = Vec<(String, String)>;

impl<'a> Forge<'a> {
    fn new(portal: &'a Portal, person: SignIn) -> Self {
        let (header, claims) = (portal.identity.header(), portal.identity.access_claims(&person));
        let good = portal
            .identity
            .sign(&header, &claims)
            .expect("the provider signs");
        Self {
            portal,
            person,
            header,
            claims,
            good,
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.portal
            .identity
            .sign(header, claims)
            .expect("the provider signs")
    }

    /// What stands before the signature, as it is, with a good signature.
    fn sign_text(&self, message: &str) -> String {
        self.portal
            .identity
            .sign_text(message)
            .expect("the provider signs")
    }

    /// A good token, but for `name` in its header; null takes it away.
    fn with_header(&self, name: &str, value: Value) -> String {
        self.sign(&changed(&self.header, name, value), &self.claims)
    }

    /// A good token, but for the claim `name`; null takes it away.
    fn with_claim(&self, name: &str, value: Value) -> String {
        self.sign(&self.header, &changed(&self.claims, name, value))
    }

    /// A token of these very texts.
    fn of_texts(&self, header: &str, claims: &str) -> String {
        self.sign_text(&format!("{}.{}", encoded(header), encoded(claims)))
    }

    /// A token whose header's text has `to` in place of `from`.
    fn with_header_text(&self, from: &str, to: &str) -> String {
        self.of_texts(&replaced(&self.header, from, to), &self.claims.to_string())
    }

    /// A token whose claims' text has `to` in place of `from`.
    fn with_claims_text(&self, from: &str, to: &str) -> String {
        self.of_texts(&self.header.to_string(), &replaced(&self.claims, from, to))
    }

    /// Header, claims and signature of the good token.
    fn parts(&self) -> [&str; 3] {
        let parts: Vec<&str> = self.good.split('.').collect();
        parts.try_into().expect("three parts")
    }

    fn now(&self) -> i64 {
        self.portal.clock.now().as_second()
    }

    /// The key that the provider publishes.
    async fn public(&self) -> Value {
        let answer = self
            .portal
            .client()
            .get(self.portal.identity.key_set_url())
            .send();
        let keys: Value = answer
            .await
            .expect("the provider answers")
            .json()
            .await
            .expect("JSON");
        keys["keys"][0].clone()
    }

    /// A provider with the same name and another key.
    fn stranger(&self) -> Identity {
        let settings = Settings {
            base: self.portal.base.clone(),
            issuer_name: ISSUER_NAME.to_owned(),
            clients: vec![CLIENT.to_owned()],
        };
        Identity::open(settings, &self.portal.clock, None).expect("a key pair")
    }
}

fn changed(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    let fields = object.as_object_mut().expect("an object");
    match value {
        Value::Null => fields.remove(name),
        value => fields.insert(name.to_owned(), value),
    };
    object
}

fn replaced(object: &Value, from: &str, to: &str) -> String {
    let text = object.to_string();
    assert!(text.contains(from), "no {from} in {text}");
    text.replacen(from, to, 1)
}

fn encoded(text: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn named<'t>(tokens: impl IntoIterator<Item = (&'t str, String)>) -> Tokens {
    let owned = tokens.into_iter().map(|(what, token)| (what.to_owned(), token));
    owned.collect()
}

fn algorithms(forge: &Forge<'_>) -> Tokens {
    let [header, claims, signature] = forge.parts();
    let mut tokens = Tokens::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = changed(&forge.header, "alg", json!(alg)).to_string();
        tokens.push((
            format!("unsigned, alg {alg:?}"),
            format!("{}.{claims}.", encoded(unsigned)),
        ));
        tokens.push((
            format!("signed, alg {alg:?}"),
            forge.with_header("alg", json!(alg)),
        ));
    }
    let hmac = ["HS256", "HS384", "HS512"];
    let rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    let curves = ["ES384", "ES512", "ES256K", "EdDSA", "es256", "ES256 "];
    for alg in hmac.into_iter().chain(rsa).chain(curves) {
        tokens.push((
            format!("a P-256 signature that says {alg}"),
            forge.with_header("alg", json!(alg)),
        ));
    }
    let other_claims = encoded(replaced(&forge.claims, "dana@", "eve@"));
    let other_header = encoded(changed(&forge.header, "typ", json!("JWT")).to_string());
    tokens.extend(named([
        ("no alg", forge.with_header("alg", Value::Null)),
        ("alg of another type", forge.with_header("alg", json!(["ES256"]))),
        ("no signature", format!("{header}.{claims}.")),
        (
            "a zero signature",
            format!("{header}.{claims}.{}", encoded([0_u8; 64])),
        ),
        (
            "half a signature",
            format!("{header}.{claims}.{}", &signature[..43]),
        ),
        (
            "the signature of other claims",
            format!("{header}.{other_claims}.{signature}"),
        ),
        (
            "the signature of another header",
            format!("{other_header}.{claims}.{signature}"),
        ),
    ]));
    tokens
}

/// HMAC tokens whose secret everybody knows: the public key, in every form it is known in.
fn confused_keys(forge: &Forge<'_>, public: &Value) -> Tokens {
    let coordinate = |name: &str| {
        BASE64_URL_SAFE_NO_PAD
            .decode(public[name].as_str().unwrap())
            .unwrap()
    };
    let point = [coordinate("x"), coordinate("y")].concat();
    // SubjectPublicKeyInfo of P-256 (RFC 5480), up to the uncompressed point.
    let prefix = BASE64_STANDARD
        .decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE")
        .unwrap();
    let der = [prefix, point.clone()].concat();
    let lines = BASE64_STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n");
    let json = public.to_string();
    let secrets: [(&str, &[u8]); 5] = [
        ("PEM", pem.as_bytes()),
        ("DER", &der),
        ("a point", &point),
        ("JSON", json.as_bytes()),
        ("nothing", b""),
    ];
    let token = |alg: &str, secret: &[u8]| {
        let header = changed(&forge.header, "alg", json!(alg)).to_string();
        let message = format!("{}.{}", encoded(header), encoded(forge.claims.to_string()));
        let key = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("HMAC");
        format!("{message}.{signature}")
    };
    let of = |alg: &'static str| {
        secrets.map(|(what, secret)| {
            (
                format!("HMAC with the key as {what}, alg {alg}"),
                token(alg, secret),
            )
        })
    };
    of("HS256").into_iter().chain(of("ES256")).collect()
}

fn key_ids(forge: &Forge<'_>, public: &Value) -> Tokens {
    let [_, claims, _] = forge.parts();
    let kid = &forge.header["kid"];
    let stranger = forge.stranger();
    let published = json!({ "kty": "EC", "crv": "P-256", "x": public["x"], "y": public["y"] });
    let signed_by_another = |header: &Value| stranger.sign(header, &forge.claims).unwrap();
    let mut tokens = named([
        ("no kid", forge.with_header("kid", Value::Null)),
        ("kid of another type", forge.with_header("kid", json!(1))),
        ("kid in an array", forge.with_header("kid", json!([kid]))),
        (
            "a kid of 10 kB",
            forge.with_header("kid", json!("k".repeat(10_000))),
        ),
        ("jku", forge.with_header("jku", json!("http://evil.example/keys"))),
        ("x5u", forge.with_header("x5u", json!("http://evil.example/keys"))),
        ("x5c", forge.with_header("x5c", json!(["MIIB"]))),
        ("the right jwk", forge.with_header("jwk", public.clone())),
        ("another's signature", signed_by_another(&forge.header)),
        (
            "another's kid and signature",
            signed_by_another(&stranger.header()),
        ),
        (
            "another's signature with jwk",
            signed_by_another(&changed(&stranger.header(), "jwk", published)),
        ),
        ("alg twice", forge.with_header_text("{", r#"{"alg":"ES256","#)),
        ("kid twice", forge.with_header_text("{", r#"{"kid":"x","#)),
        ("typ twice", forge.with_header_text("{", r#"{"typ":"at+jwt","#)),
        (
            "crit with what it names",
            forge.with_header_text("{", r#"{"crit":["b64"],"b64":true,"#),
        ),
        (
            "a header that is an array",
            forge.of_texts(
                &json!(["ES256", kid, "at+jwt"]).to_string(),
                &forge.claims.to_string(),
            ),
        ),
        (
            "a header that is no JSON",
            forge.of_texts("ES256", &forge.claims.to_string()),
        ),
        (
            "a header that is no UTF-8",
            forge.sign_text(&format!("{}.{claims}", encoded(b"{\"alg\":\"ES256\xff\"}"))),
        ),
        ("an empty header", forge.of_texts("{}", &forge.claims.to_string())),
    ]);
    for kid in [
        "",
        "unknown",
        "../../../../dev/null",
        "' OR '1'='1",
        "a\0b",
        "http://evil.example/",
        "$(id)",
        "ORG#",
    ] {
        tokens.push((format!("kid {kid:?}"), forge.with_header("kid", json!(kid))));
    }
    for crit in [
        json!(["exp"]),
        json!(["b64"]),
        json!([]),
        json!("exp"),
        json!(["http://example.org/x"]),
    ] {
        tokens.push((format!("crit {crit}"), forge.with_header("crit", crit)));
    }
    tokens
}

fn types(forge: &Forge<'_>) -> Tokens {
    let untyped = changed(&forge.header, "typ", Value::Null);
    let plain = changed(&forge.header, "typ", json!("JWT"));
    let without_use = changed(&forge.claims, "token_use", Value::Null);
    let mut tokens = named([
        (
            "an id token",
            forge.portal.identity.sign_in(&forge.person).unwrap().id_token,
        ),
        ("typ of another type", forge.with_header("typ", json!(1))),
        (
            "token_use of another type",
            forge.with_claim("token_use", json!(["access"])),
        ),
        ("neither typ nor token_use", forge.sign(&untyped, &without_use)),
        ("typ JWT without token_use", forge.sign(&plain, &without_use)),
    ]);
    for typ in [
        "id+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "JOSE",
        "at+jwt ",
        "at jwt",
        "",
        "application/jwt",
    ] {
        tokens.push((format!("typ {typ:?}"), forge.with_header("typ", json!(typ))));
    }
    for purpose in ["id", "refresh", "ACCESS", "access ", ""] {
        tokens.push((
            format!("token_use {purpose:?}"),
            forge.with_claim("token_use", json!(purpose)),
        ));
    }
    tokens
}

fn times(forge: &Forge<'_>) -> Tokens {
    let now = forge.now();
    let mut tokens = named([
        ("no exp", forge.with_claim("exp", Value::Null)),
        ("no iat", forge.with_claim("iat", Value::Null)),
        (
            "exp null",
            forge.with_claims_text("\"exp\":", "\"exp\":null,\"was\":"),
        ),
        ("expired", forge.with_claim("exp", json!(now - 40))),
        ("expired long ago", forge.with_claim("exp", json!(0))),
        ("not valid yet", forge.with_claim("nbf", json!(now + 60))),
        ("issued in the future", forge.with_claim("iat", json!(now + 60))),
    ]);
    for name in ["exp", "iat", "nbf"] {
        let text = format!("{now}");
        for value in [
            json!(text),
            json!(1_767_225_600.5),
            json!(1.0e300),
            json!(-1),
            json!([now]),
            json!({}),
            json!(true),
        ] {
            tokens.push((format!("{name} {value}"), forge.with_claim(name, value)));
        }
        for number in ["1e400", "99999999999999999999999", "NaN", "0x7fffffff"] {
            let text = format!("\"{name}\":{number},\"was\":");
            tokens.push((
                format!("{name} {number}"),
                forge.with_claims_text(&format!("\"{name}\":"), &text),
            ));
        }
        tokens.push((
            format!("{name} twice"),
            forge.with_claims_text("{", &format!("{{\"{name}\":{now},")),
        ));
    }
    tokens
}

fn audiences_and_issuers(forge: &Forge<'_>) -> Tokens {
    let issuer = forge.portal.identity.issuer();
    let no_audience = changed(&forge.claims, "aud", Value::Null);
    let mut tokens = named([
        (
            "neither aud nor client_id",
            forge.sign(&forge.header, &changed(&no_audience, "client_id", Value::Null)),
        ),
        (
            "no aud, and another client",
            forge.sign(
                &forge.header,
                &changed(&no_audience, "client_id", json!("another")),
            ),
        ),
        ("no iss", forge.with_claim("iss", Value::Null)),
        (
            "iss twice",
            forge.with_claims_text("{", "{\"iss\":\"http://evil.example\","),
        ),
        ("aud twice", forge.with_claims_text("{", "{\"aud\":\"another\",")),
    ]);
    let look_alikes = [
        CLIENT.to_uppercase(),
        format!("{CLIENT} "),
        format!("{CLIENT},x"),
        String::new(),
    ];
    let others = [
        json!("another"),
        json!([]),
        json!(["another"]),
        json!(1),
        json!({}),
        json!([[CLIENT]]),
        json!({ "0": CLIENT }),
    ];
    for aud in look_alikes.map(Value::from).into_iter().chain(others) {
        tokens.push((format!("aud {aud}"), forge.with_claim("aud", aud)));
    }
    let look_alikes = [
        format!("{issuer}/"),
        format!("{issuer}?"),
        format!("{issuer}#x"),
        format!(" {issuer}"),
        format!("{issuer}.evil.example"),
        issuer.to_uppercase(),
        issuer.replace("http://", "https://"),
        issuer.replace("127.0.0.1", "localhost"),
        "http://evil.example".to_owned(),
        String::new(),
    ];
    for iss in look_alikes
        .map(Value::from)
        .into_iter()
        .chain([json!([issuer]), json!(1)])
    {
        tokens.push((format!("iss {iss}"), forge.with_claim("iss", iss)));
    }
    tokens
}

fn claims(forge: &Forge<'_>) -> Tokens {
    let fields = [
        "iss",
        "sub",
        "exp",
        "iat",
        "nbf",
        "aud",
        "client_id",
        "token_use",
        "email",
        "email_verified",
        "name",
    ];
    let in_order: Vec<&Value> = fields.iter().map(|name| &forge.claims[*name]).collect();
    let header = forge.header.to_string();
    let deep = format!("\"aud\":{}{},\"was\":", "[".repeat(2_000), "]".repeat(2_000));
    named([
        ("an empty sub", forge.with_claim("sub", json!(""))),
        ("sub of another type", forge.with_claim("sub", json!(1))),
        ("sub in an array", forge.with_claim("sub", json!(["x"]))),
        ("a long sub", forge.with_claim("sub", json!("s".repeat(256)))),
        ("no sub", forge.with_claim("sub", Value::Null)),
        ("sub twice", forge.with_claims_text("{", "{\"sub\":\"x\",")),
        (
            "an address of another type",
            forge.with_claim("email", json!(["dana@riverside.example"])),
        ),
        (
            "verified by another type",
            forge.with_claim("email_verified", json!(1)),
        ),
        (
            "claims that are an array",
            forge.of_texts(&header, &json!(in_order).to_string()),
        ),
        ("claims that are text", forge.of_texts(&header, "\"dana\"")),
        ("no claims", forge.of_texts(&header, "")),
        ("deep claims", forge.with_claims_text("\"aud\":", &deep)),
    ])
}

fn forms(forge: &Forge<'_>) -> Tokens {
    let (good, [header, claims, signature]) = (&forge.good, forge.parts());
    let other_alphabet =
        BASE64_STANDARD_NO_PAD.encode(replaced(&forge.claims, "{", r#"{"x":"???>>>~~~???","#));
    assert!(other_alphabet.contains(['+', '/']), "{other_alphabet}");
    let json = json!({ "protected": header, "payload": claims, "signature": signature });
    named([
        ("100 kB", forge.with_claim("x", json!("x".repeat(100_000)))),
        (
            "a little over the bound",
            forge.with_claim("x", json!("x".repeat(6_200))),
        ),
        ("padding behind the signature", format!("{good}=")),
        (
            "padding in the header",
            forge.sign_text(&format!("{header}=.{claims}")),
        ),
        (
            "padding in the claims",
            forge.sign_text(&format!("{header}.{claims}==")),
        ),
        (
            "the other alphabet",
            forge.sign_text(&format!("{header}.{other_alphabet}")),
        ),
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        (
            "five parts, as an encrypted one",
            format!("{header}.{claims}.{good}"),
        ),
        ("an empty part", format!(".{claims}.{signature}")),
        ("only dots", "..".to_owned()),
        ("the JSON form", json.to_string()),
        ("a comma and another", format!("{good},{good}")),
        ("a space and another", format!("{good} {good}")),
        ("in quotes", format!("\"{good}\"")),
        ("encoded", good.replace('.', "%2E")),
        ("in a token", forge.of_texts(&forge.header.to_string(), good)),
    ])
}

/// Other things than one token in one header.
fn headers(good: &str) -> Vec<(String, Vec<String>)> {
    let bearer = format!("Bearer {good}");
    let all: [(&str, &[&str]); 11] = [
        ("no header", &[]),
        ("an empty header", &[""]),
        ("no token", &["Bearer "]),
        ("only the scheme", &["Bearer"]),
        ("no scheme", &[good]),
        ("another scheme", &[&format!("Basic {good}")]),
        ("two spaces", &[&format!("Bearer  {good}")]),
        ("a tab", &[&format!("Bearer\t{good}")]),
        ("two headers", &[&bearer, &bearer]),
        ("two headers, one empty", &[&bearer, ""]),
        ("a parameter behind it", &[&format!("Bearer {good}, realm=x")]),
    ];
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    all.into_iter()
        .map(|(what, values)| (what.to_owned(), owned(values)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_token_gets_the_same_answer() {
    // Given somebody with a good token
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    dana.get("/v1/me").await.expect(200);
    let forge = Forge::new(&portal, SignIn::new(&dana.email));
    let public = forge.public().await;

    // When all that is nearly one is shown
    let tokens = [
        algorithms(&forge),
        confused_keys(&forge, &public),
        key_ids(&forge, &public),
        types(&forge),
        times(&forge),
        audiences_and_issuers(&forge),
        claims(&forge),
        forms(&forge),
    ];
    let tokens: Tokens = tokens.into_iter().flatten().collect();
    assert!(tokens.len() > 150, "{} tokens", tokens.len());
    let shown = tokens
        .into_iter()
        .map(|(what, token)| (what, vec![format!("Bearer {token}")]));
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (what, values) in shown.chain(headers(&forge.good)) {
        let request = portal.client().get(format!("{}/v1/me", portal.base));
        let request = values
            .iter()
            .fold(request, |request, value| request.header("authorization", value));
        let answer = Answer::of(request.send().await.expect("the gateway answers")).await;
        let outcome = (answer.status, answer.code());
        assert_eq!(
            outcome,
            (401, "unauthenticated".to_owned()),
            "{what}: {}",
            answer.text
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}");
        let shape = answer.text.replace(&answer.header("x-request-id"), "");
        answers.entry(shape).or_default().push(what);
    }

    // Then nothing tells one reason from another
    assert_eq!(answers.len(), 1, "{answers:?}");

    // And a good token elsewhere is none, and where it belongs as good as before
    for place in ["access_token", "token"] {
        let request = portal
            .client()
            .get(format!("{}/v1/me?{place}={}", portal.base, forge.good));
        let request = request.header("cookie", format!("{place}={}", forge.good)).send();
        let answer = Answer::of(request.await.expect("the gateway answers")).await;
        answer.expect_problem(401, "unauthenticated");
    }
    dana.with_token(&forge.good).get("/v1/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_our_provider_for_us_is_good_in_every_form_it_uses() {
    let portal = Portal::start().await;
    let dana = portal.person("Dana");
    let forge = Forge::new(&portal, SignIn::new(&dana.email));
    let (header, claims) = (&forge.header, &forge.claims);
    let now = portal.clock.now().as_second();
    let no_audience = changed(claims, "aud", Value::Null);
    for (what, token) in [
        ("as it is", forge.good.clone()),
        (
            "among other audiences",
            forge.with_claim("aud", json!(["another", CLIENT])),
        ),
        (
            "with the client in place of an audience",
            forge.sign(header, &no_audience),
        ),
        ("without nbf", forge.with_claim("nbf", Value::Null)),
        (
            "expired within the leeway",
            forge.with_claim("exp", json!(now - 15)),
        ),
        (
            "valid within the leeway",
            forge.with_claim("nbf", json!(now + 15)),
        ),
        (
            "issued within the leeway",
            forge.with_claim("iat", json!(now + 15)),
        ),
        (
            "typ of RFC 9068 in full",
            forge.with_header("typ", json!("application/at+jwt")),
        ),
        ("typ in capitals", forge.with_header("typ", json!("AT+JWT"))),
        ("no typ, but a purpose", forge.with_header("typ", Value::Null)),
        (
            "a typ, and no purpose",
            forge.with_claim("token_use", Value::Null),
        ),
        (
            "verified as text",
            forge.with_claim("email_verified", json!("true")),
        ),
        (
            "claims that nobody asked for",
            forge.with_claim("groups", json!(["admin"])),
        ),
    ] {
        let answer = dana.with_token(token).get("/v1/me").await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        assert_eq!(answer.id(), dana.account.to_string(), "{what}");
    }
    let lower = portal
        .client()
        .get(format!("{}/v1/me", portal.base))
        .header("authorization", format!("bearer {}", dana.token));
    Answer::of(lower.send().await.unwrap()).await.expect(200);

    // A token says who somebody is and never what they may do
    let clinic = portal.clinic().await;
    let mallory = SignIn::new("mallory@riverside.example");
    let mut boastful = portal.identity.access_claims(&mallory);
    boastful["role"] = json!("admin");
    boastful["organization_id"] = json!(clinic.id.to_string());
    boastful["cognito:groups"] = json!(["admin"]);
    boastful["scope"] = json!("admin");
    let token = forge.sign(header, &boastful);
    dana.with_token(token)
        .get(&clinic.path(""))
        .await
        .expect_problem(404, "organization_not_found");
}

/// A portal in which one function instance answers for `/v1/me`: fetches of keys can be counted.
async fn single() -> Portal {
    single_with(Options::default()).await
}

async fn single_with(options: Options) -> Portal {
    Portal::start_with(Options {
        sandboxes: 1,
        ..options
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_work_after_one_fetch_and_withdrawn_ones_end() {
    let portal = single().await;
    let dana = portal.person("Dana");
    let at_start = portal.identity.key_set_fetches();
    dana.get("/v1/me").await.expect(200);
    assert_eq!(portal.identity.key_set_fetches(), at_start);
    portal.wait(PAUSE);

    // When the provider signs with a new key
    portal.identity.rotate_keys().unwrap();
    let again = portal.person("Dana");

    // Then its first token causes one fetch, and both keys are good
    for _ in 0..5 {
        again.get("/v1/me").await.expect(200);
        dana.get("/v1/me").await.expect(200);
    }
    assert_eq!(portal.identity.key_set_fetches(), at_start + 1);

    // And when the old key is withdrawn, what it signed ends with the hour for which keys are fresh
    portal.identity.forget_earlier_keys();
    portal.wait(SignedDuration::from_secs(3_601));
    dana.get("/v1/me").await.expect_problem(401, "unauthenticated");
    again.get("/v1/me").await.expect(200);
    assert_eq!(portal.identity.key_set_fetches(), at_start + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_keys_fetches_nothing_and_stops_nobody() {
    let portal = single().await;
    let dana = portal.person("Dana");
    dana.get("/v1/me").await.expect(200);
    let forge = Forge::new(&portal, SignIn::new("mallory@riverside.example"));

    for round in 0..2 {
        portal.wait(PAUSE);
        let (fetched, begun) = (portal.identity.key_set_fetches(), portal.clock.now());
        let flood = (0..200).map(|number| {
            let (dana, token) = (
                &dana,
                forge.with_header("kid", json!(format!("key-{round}-{number}"))),
            );
            async move {
                dana.with_token(token)
                    .get("/v1/me")
                    .await
                    .expect_problem(401, "unauthenticated");
                dana.get("/v1/me").await.expect(200);
            }
        });
        join_all(flood).await;
        // One fetch, and another for each 30 seconds that the flood itself took
        let took = portal.clock.now().duration_since(begun).as_secs();
        let most = 1 + u64::try_from(took / 30).unwrap();
        let fetches = portal.identity.key_set_fetches() - fetched;
        assert!((1..=most).contains(&fetches), "{fetches} fetches in {took} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_nobody_is_let_in_or_sent_away_for_good() {
    // Given a provider whose keys cannot be had when the functions start
    let portal = single_with(Options {
        keys: false,
        ..Options::default()
    })
    .await;
    let dana = portal.person("Dana");
    for _ in 0..3 {
        let answer = dana
            .get("/v1/me")
            .await
            .expect_problem(503, "identity_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
    }

    // When they can be had again
    portal.identity.serve_key_set(true);
    portal.wait(SECOND);

    // Then everybody is let in
    dana.get("/v1/me").await.expect(200);

    // And when they are away again, for days, the known ones are good; what is not known is not
    portal.identity.serve_key_set(false);
    let tried = portal.identity.key_set_fetches();
    portal.wait(SignedDuration::from_hours(48));
    for _ in 0..5 {
        dana.get("/v1/me").await.expect(200);
        dana.with_token("x")
            .get("/v1/me")
            .await
            .expect_problem(401, "unauthenticated");
    }
    let unknown = Forge::new(&portal, SignIn::new(&dana.email)).with_header("kid", json!("new"));
    dana.with_token(unknown)
        .get("/v1/me")
        .await
        .expect_problem(401, "unauthenticated");
    assert_eq!(portal.identity.key_set_fetches(), tried + 1);
}

/// Serves the same answer to every request, and gives its address.
async fn serving(answer: String) -> (String, tokio::task::AbortHandle) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0_u8; 2_048];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, task.abort_handle())
}

/// Who the bearer of `token` is to functions whose provider answers `answer` when it is asked for its keys.
async fn verdict(portal: &Portal, answer: String, token: &str) -> Result<AccountId, SignInError> {
    let (address, server) = serving(answer).await;
    let mut variables = portal.environment();
    variables.insert("IDENTITY_JWKS_URL".to_owned(), address);
    let config = Config::new(variables, portal.config(0).aws.clone(), portal.clock.clone());
    let verdict = Identities::new(&config)
        .expect("a complete configuration")
        .verify(token)
        .await;
    server.abort();
    verdict.map(|identity| identity.account)
}

/// The answer with these keys.
fn key_set(keys: &Value) -> String {
    let body = json!({ "keys": keys }).to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn only_sound_keys_of_the_configured_address_are_taken() {
    let portal = single().await;
    let dana = portal.person("Dana");
    let key = Forge::new(&portal, SignIn::new(&dana.email)).public().await;
    let verdict = async |answer: String| verdict(&portal, answer, &dana.token).await;
    let ok = |keys: Value| key_set(&keys);

    // A good key, also among those that cannot be used
    let weak_rsa = json!({ "kty": "RSA", "use": "sig", "kid": "weak", "n": "w".repeat(86), "e": "AQAB" });
    let unknown = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    assert_eq!(verdict(ok(json!([key]))).await, Ok(dana.account));
    assert_eq!(
        verdict(ok(json!([weak_rsa, unknown, key]))).await,
        Ok(dana.account)
    );

    // The same key, for another purpose or no point of the curve
    for (name, value) in [
        ("use", json!("enc")),
        ("alg", json!("ES384")),
        ("alg", json!("ECDH-ES")),
        ("crv", json!("P-384")),
        ("kid", Value::Null),
        ("kid", json!("another")),
        ("x", key["y"].clone()),
        ("x", json!("AAAA")),
        ("kty", json!("oct")),
        ("key_ops", json!(["encrypt"])),
    ] {
        let changed = changed(&key, name, value.clone());
        assert_ne!(
            verdict(ok(json!([changed]))).await,
            Ok(dana.account),
            "{name} {value}"
        );
    }
    assert_eq!(verdict(ok(json!([]))).await, Err(SignInError::Invalid));

    // No key set: elsewhere, broken, too large, not there
    let elsewhere = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        portal.identity.key_set_url()
    );
    let padded = ok(json!([changed(&key, "x-padding", json!("x".repeat(200_000)))]));
    let endless = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{{\"keys\":[{key}],\"x\":\"{}\"}}",
        "x".repeat(200_000)
    );
    for answer in [
        elsewhere,
        padded,
        endless,
        "HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nkeys".to_owned(),
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{\"keys\":".to_owned(),
    ] {
        assert_eq!(
            verdict(answer.clone()).await,
            Err(SignInError::KeysUnavailable),
            "{}",
            &answer[..60]
        );
    }

    // And an address that is neither TLS nor this machine is none
    for address in [
        "http://example.org/jwks.json",
        "http://127.0.0.1.evil.example/",
        "ftp://127.0.0.1/",
        "file:///etc/keys",
        "//example.org",
        "",
    ] {
        let mut variables = portal.environment();
        variables.insert("IDENTITY_JWKS_URL".to_owned(), address.to_owned());
        let config = Config::new(variables, portal.config(0).aws.clone(), portal.clock.clone());
        assert!(Identities::new(&config).is_err(), "{address}");
    }
}

/// A key pair of a provider that signs with RSA, as the gateway in the cloud demands it.
struct Rsa(rsa::KeyPair);

impl Rsa {
    fn new() -> Self {
        Self(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key pair"))
    }

    /// The modulus: in the public key's DER it stands behind nine bytes of types and lengths, and before five of the exponent.
    fn modulus(&self) -> Vec<u8> {
        let der = self.0.public_key().as_ref();
        assert_eq!(der.len(), 9 + 256 + 5);
        der[9..265].to_vec()
    }

    /// The key as a key set publishes it.
    fn public(&self) -> Value {
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rsa", "n": encoded(self.modulus()), "e": "AQAB" })
    }

    /// A token that says `alg`, signed as `padding` says.
    fn token(&self, alg: &str, padding: &'static dyn RsaEncoding, claims: &Value) -> String {
        let header = json!({ "alg": alg, "kid": "rsa", "typ": "at+jwt" }).to_string();
        let message = format!("{}.{}", encoded(header), encoded(claims.to_string()));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(padding, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .expect("a signature");
        format!("{message}.{}", encoded(signature))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_signs_with_rsa_is_taken_at_its_word_and_no_other() {
    // Given a provider with an RSA key, beside one for P-256
    let portal = single().await;
    let dana = portal.person("Dana");
    let forge = Forge::new(&portal, SignIn::new(&dana.email));
    let (key, another) = (Rsa::new(), Rsa::new());
    let (public, claims) = (key.public(), &forge.claims);
    let good = key.token("RS256", &RSA_PKCS1_SHA256, claims);
    let keys = key_set(&json!([public, forge.public().await]));

    // Its tokens are good, and so is a key that does not say its algorithm
    assert_eq!(verdict(&portal, keys.clone(), &good).await, Ok(dana.account));
    let silent = key_set(&json!([changed(&public, "alg", Value::Null)]));
    assert_eq!(verdict(&portal, silent, &good).await, Ok(dana.account));

    // Another signature, or one that says it is another, is not
    let parts: Vec<&str> = good.split('.').collect();
    let other_claims = encoded(replaced(claims, "dana@", "eve@"));
    let hmac = |secret: &[u8]| {
        let header = json!({ "alg": "HS256", "kid": "rsa", "typ": "at+jwt" }).to_string();
        let message = format!("{}.{}", encoded(header), parts[1]);
        let secret = EncodingKey::from_secret(secret);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).expect("HMAC");
        format!("{message}.{signature}")
    };
    let on_the_curve = |alg: &str| {
        let header = json!({ "alg": alg, "kid": "rsa", "typ": "at+jwt" });
        forge.sign(&header, claims)
    };
    for (what, token) in [
        ("another's key", another.token("RS256", &RSA_PKCS1_SHA256, claims)),
        (
            "other claims",
            format!("{}.{other_claims}.{}", parts[0], parts[2]),
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("none", key.token("none", &RSA_PKCS1_SHA256, claims)),
        ("ES256", key.token("ES256", &RSA_PKCS1_SHA256, claims)),
        ("RS384", key.token("RS384", &RSA_PKCS1_SHA384, claims)),
        ("RS512", key.token("RS512", &RSA_PKCS1_SHA512, claims)),
        ("PS256", key.token("PS256", &RSA_PSS_SHA256, claims)),
        ("PS256 as RS256", key.token("RS256", &RSA_PSS_SHA256, claims)),
        ("RS384 as RS256", key.token("RS256", &RSA_PKCS1_SHA384, claims)),
        ("the public key as a secret", hmac(key.0.public_key().as_ref())),
        ("the modulus as a secret", hmac(&key.modulus())),
        ("a P-256 signature as RS256", on_the_curve("RS256")),
        ("a P-256 signature with the RSA key's id", on_the_curve("ES256")),
    ] {
        let verdict = verdict(&portal, keys.clone(), &token).await;
        assert_eq!(verdict, Err(SignInError::Invalid), "{what}");
    }

    // Nor is a key for something else, of another kind, or too short
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("alg", json!("RS512")),
        ("alg", json!("PS256")),
        ("alg", json!("ES256")),
        ("kty", json!("oct")),
        ("kid", json!("another")),
        ("n", another.public()["n"].clone()),
        ("n", json!(encoded(&key.modulus()[..128]))),
        ("e", json!("AQ")),
    ] {
        let keys = key_set(&json!([changed(&public, name, value.clone())]));
        let verdict = verdict(&portal, keys, &good).await;
        assert_eq!(verdict, Err(SignInError::Invalid), "{name} {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_verified_gives_no_power() {
    // Given somebody who claims the address of an admin
    let portal = Portal::start().await;
    let clinic = portal.clinic().await;
    let ada = portal.person("Ada");
    let (_, token) = clinic.invited(&ada, "viewer").await;
    let claiming = |verified: Option<Value>| {
        let unverified = SignIn {
            email_verified: Some(false),
            ..SignIn::new(&ada.email)
        };
        let forge = Forge::new(&portal, unverified);
        let claims = changed(&forge.claims, "email_verified", verified.unwrap_or(Value::Null));
        ada.with_token(forge.sign(&forge.header, &claims))
    };
    for verified in [
        None,
        Some(json!(false)),
        Some(json!("false")),
        Some(json!("TRUE")),
        Some(json!("")),
    ] {
        let impostor = claiming(verified.clone());
        impostor
            .get(&clinic.path(""))
            .await
            .expect_problem(404, "organization_not_found");
        let made = impostor
            .post("/v1/organizations", json!({ "name": "Mine" }))
            .await;
        made.expect_problem(403, "email_unverified");
        for answer in ["preview", "accept", "decline"] {
            let answer = impostor
                .post(&format!("/v1/invites/{answer}"), json!({ "token": token }))
                .await;
            answer.expect_problem(403, "email_unverified");
        }
        let me = impostor.request(Method::GET, "/v1/me").send().await.expect(200);
        assert_eq!(me.json()["email"], Value::Null, "{verified:?}");
    }
    ada.post("/v1/invites/accept", json!({ "token": token }))
        .await
        .expect(201);
}
