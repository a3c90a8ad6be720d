//! Where a plugin may send requests: what a part of its request and a rule of its grant both allow.

use crate::config::capability::HttpGrant;
use crate::config::http_rule::HostPattern;
use crate::config::http_rule::HttpRule;
use crate::config::http_rule::HttpScheme;
use crate::config::http_rule::PathPattern;

/// A part of what a manifest requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequestRight {
    /// The schemes.
    pub schemes: Vec<HttpScheme>,
    /// The hosts.
    pub hosts: Vec<HostPattern>,
    /// The ports; none means the one of the scheme.
    pub ports: Vec<u16>,
    /// The methods.
    pub methods: Vec<String>,
    /// The paths.
    pub paths: Vec<PathPattern>,
    /// The secret that the host sends along, and how.
    pub auth: Option<Auth>,
}

/// A secret that the host puts into requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The secret's name.
    pub secret: String,
    /// The header that carries it, in lower case.
    pub header: String,
    /// What stands before it in the header, for example `Bearer`.
    pub scheme: Option<String>,
}

/// What was requested and what was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRights {
    /// By the manifest, in its order.
    pub requested: Vec<HttpRequestRight>,
    /// By the operator.
    pub granted: HttpGrant,
}

/// A request, as far as rights look at it: normalised, so that what was checked is what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The method.
    pub method: String,
    /// The scheme.
    pub scheme: HttpScheme,
    /// The host, in lower case; an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The segments of the path, decoded.
    pub path: Vec<Vec<u8>>,
}

/// That a request may go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission<'a> {
    /// The secret to send along.
    pub auth: Option<&'a Auth>,
    /// Whether its address may be a private one.
    pub private: bool,
}

impl HttpRights {
    /// Whether anything was granted at all.
    pub fn is_empty(&self) -> bool {
        self.requested.is_empty() || (self.granted.allow.is_empty() && self.granted.private.is_empty())
    }

    /// Whether a request may go out, and how. The first part of the manifest's request that is about it counts.
    pub fn permit(&self, target: &Target) -> Option<Permission<'_>> {
        let requested = self.requested.iter().find(|request| request.is_about(target))?;
        let granted = |rules: &[HttpRule]| {
            rules.iter().any(|rule| rule.matches(&target.method, target.scheme, &target.host, target.port, &target.path))
        };
        let private = granted(&self.granted.private);
        (private || granted(&self.granted.allow)).then_some(Permission { auth: requested.auth.as_ref(), private })
    }
}

impl HttpRequestRight {
    fn is_about(&self, target: &Target) -> bool {
        let port = if self.ports.is_empty() { target.port == target.scheme.port() } else { self.ports.contains(&target.port) };
        port && self.schemes.contains(&target.scheme)
            && self.methods.contains(&target.method)
            && self.hosts.iter().any(|host| host.matches(&target.host))
            && self.paths.iter().any(|path| path.matches(&target.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(method: &str, host: &str, path: &str) -> Target {
        let path = path.split('/').skip(1).map(|segment| segment.as_bytes().to_vec()).collect();
        Target { method: method.into(), scheme: HttpScheme::Https, host: host.into(), port: 443, path }
    }

    #[test]
    fn it_takes_a_request_and_a_grant_for_the_same_target() {
        let auth = Auth { secret: "key".into(), header: "authorization".into(), scheme: Some("Bearer".into()) };
        let request = HttpRequestRight {
            schemes: vec![HttpScheme::Https],
            hosts: vec![HostPattern::parse("*.acme.dev").unwrap()],
            ports: Vec::new(),
            methods: vec!["GET".into(), "POST".into()],
            paths: vec![PathPattern::parse("/v1/**").unwrap()],
            auth: Some(auth.clone()),
        };
        let rule = |text| HttpRule::parse(text).unwrap();
        let granted = HttpGrant { allow: vec![rule("GET https://api.acme.dev/v1/*")], private: vec![rule("GET https://in.acme.dev")] };
        let rights = HttpRights { requested: vec![request.clone()], granted: granted.clone() };
        assert_eq!(rights.permit(&target("GET", "api.acme.dev", "/v1/a")), Some(Permission { auth: Some(&auth), private: false }));
        assert!(rights.permit(&target("GET", "in.acme.dev", "/v1/a")).unwrap().private);
        for (method, host, path) in [
            ("POST", "api.acme.dev", "/v1/a"),
            ("GET", "api.acme.dev", "/v1/a/b"),
            ("GET", "b.acme.dev", "/v1/a"),
            ("GET", "in.acme.dev", "/v2"),
        ] {
            assert_eq!(rights.permit(&target(method, host, path)), None, "{method} {host}{path}");
        }
        for rights in
            [HttpRights { requested: Vec::new(), granted }, HttpRights { requested: vec![request], granted: HttpGrant::default() }]
        {
            assert!(rights.is_empty());
            assert_eq!(rights.permit(&target("GET", "api.acme.dev", "/v1/a")), None);
        }
    }
}
