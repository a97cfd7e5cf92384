/* The default rules. A rule that withholds too much costs evidence, one that withholds too little
 * costs a secret: names are words of their trade, shapes are those that issuers publish. */
#include "privacy/privacy_internal.h"

const struct csn_privacy_rule csn_default_rules[] = {
	/* Sizes, counts and flags around a secret are none. */
	{ CSN_PRIVACY_ALLOW, "about-secrets",
	  "(?i)^(n|num|nr|has|is|use|max|min|len|size|count)_|"
	  "_?(len|length|size|count|num|type|kind|state|status|idx|index|offset|expire[sd]?|expiry|"
	  "timeout|ttl|cb|fn|func|callback|policy|prompt|required|enabled|valid)$",
	  "", NULL, false, false },
	{ CSN_PRIVACY_NAME, "password", "(?i)passw(or)?d|passphrase|(^|_)passcode|^pass$|_pass$",
	  "the name says password", NULL, false, false },
	{ CSN_PRIVACY_NAME, "secret", "(?i)secret", "the name says secret", NULL, false, false },
	{ CSN_PRIVACY_NAME, "key",
	  "(?i)(api|access|private|priv|secret|auth|encrypt\\w*|decrypt\\w*|sign\\w*|session|"
	  "master|"
	  "ssh|aws|hmac|aes|rsa|ecdsa)_?key(s|_?(data|bytes|material|pem))?$",
	  "the name says key", NULL, false, false },
	{ CSN_PRIVACY_NAME, "token",
	  "(?i)(auth\\w*|access|refresh|bearer|api|session|csrf|xsrf|id|security|oauth\\d?|"
	  "jwt|login)_?token|(^|_)jwt(_|$)",
	  "the name says token", NULL, true, false },
	{ CSN_PRIVACY_NAME, "credential", "(?i)credential|^authorization$|(^|_)(http_?)?cookies?$",
	  "the name says credential or cookie", NULL, true, false },
	{ CSN_PRIVACY_TYPE, "secret-type",
	  "\\b(Secret(String|Vec|Box|Key)?|SecretBytes|Zeroizing|SecureString|secure_string)\\b",
	  "the type is one for secrets", NULL, false, false },
	{ CSN_PRIVACY_TEXT, "private-key",
	  "-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----(?s:.*?(-----END [A-Z ]*-----|$))",
	  "shape of a private key (PEM)", "PRIVATE KEY", false, false },
	{ CSN_PRIVACY_TEXT, "jwt", "\\beyJ[\\w-]{8,}\\.[\\w-]{8,}(\\.[\\w-]*)?",
	  "shape of a JSON Web Token", "eyJ", false, false },
	{ CSN_PRIVACY_TEXT, "aws-key", "\\b(AKIA|ASIA)[A-Z0-9]{16}\\b",
	  "shape of an AWS access key", "IA", false, false },
	{ CSN_PRIVACY_TEXT, "github-token", "\\b(gh[pousr]_\\w{30,}|github_pat_\\w{20,})",
	  "shape of a GitHub token", "_", false, false },
	{ CSN_PRIVACY_TEXT, "gitlab-token", "\\bglpat-[\\w-]{20,}", "shape of a GitLab token",
	  "glpat-", false, false },
	{ CSN_PRIVACY_TEXT, "slack-token", "\\bxox[abeprs]-[\\w-]{10,}", "shape of a Slack token",
	  "xox", false, false },
	{ CSN_PRIVACY_TEXT, "google-key", "\\bAIza[\\w-]{35}", "shape of a Google key", "AIza",
	  false, false },
	{ CSN_PRIVACY_TEXT, "payment-key", "\\b[sr]k_(live|test)_\\w{16,}",
	  "shape of a payment provider's key", "k_", false, false },
	{ CSN_PRIVACY_TEXT, "url-password", "://[^\\s/:@\"]*:\\K[^\\s/@\"]+(?=@)",
	  "password in a URL", "://", false, false },
	{ CSN_PRIVACY_TEXT, "authorization",
	  "(?i)\\bauthorization[\"']?\\s*[:=]\\s*[\"']?(basic|bearer|digest|token)?\\s*"
	  "\\K[^\\s\"',\\\\]{4,}",
	  "HTTP authorization", "uthorization", false, false },
	{ CSN_PRIVACY_TEXT, "bearer", "(?i)\\bbearer\\s+\\K[\\w.~+/=-]{12,}", "HTTP bearer token",
	  "bearer", false, false },
	{ CSN_PRIVACY_TEXT, "cookie", "(?i)\\b(set-)?cookie:\\s*\\K[^\\r\\n\"\\\\]{4,}",
	  "HTTP cookie", "cookie:", false, false },
	{ CSN_PRIVACY_TEXT, "assignment",
	  "(?i)(?<![\\w-])[\\w-]*"
	  "(passw(or)?d|passphrase|secret|api_?key|access_?key|private_?key|"
	  "(auth|access|refresh|bearer|session)_?token|credentials?)[\\w-]*\\s*=\\s*"
	  "\\\\?[\"']?\\K[^\\s\"'&,;}\\\\]{3,}",
	  "a value given to the name of a secret", "=", false, false },
	{ CSN_PRIVACY_TEXT, "json-member",
	  "(?i)(?<![\\w-])[\\w-]*"
	  "(passw(or)?d|passphrase|secret|api_?key|access_?key|private_?key|"
	  "(auth|access|refresh|bearer|session)_?token|credentials?)[\\w-]*\\\\?[\"']\\s*:\\s*"
	  "\\\\?[\"']?\\K[^\\s\"'&,;}\\\\]{3,}",
	  "a value given to the name of a secret", ":", false, false },
	{ CSN_PRIVACY_TEXT, "environment",
	  "\\b(?!(OLD)?PWD=)[A-Z0-9_]*(KEY|TOKEN|SECRET|PASS|PWD|CREDENTIALS?)(_[A-Z0-9]+)?="
	  "\\K[^\\s\"\\\\]{3,}",
	  "an environment variable with the name of a secret", "=", false, false },
	{ CSN_PRIVACY_TEXT, "option",
	  "(?i)--(password|passphrase|token|secret|api-?key|auth)[= ]\\K[^\\s\"]+",
	  "a secret on a command line", "--", false, false },
	{ CSN_PRIVACY_TEXT, "card-number",
	  "(?<![\\w.])[3-6]\\d{3}([ -]?\\d{4}){2}[ -]?\\d{1,7}(?!\\w|\\.\\d)",
	  "number of a payment card", NULL, false, true },
};

const size_t csn_n_default_rules = csn_countof(csn_default_rules);
