// Package mask finds personal data and secrets in JSON and in text, and takes
// them out.
//
// A value goes this way: the name of its field says what it is (fields.go), or
// one pass over its bytes finds candidates (scan.go); validators look at
// structure and check digits, words beside a candidate decide what has none
// (context.go); of findings that overlap the better founded wins (finding.go);
// the policy says what is done with the type (policy.go, operate.go). JSON is
// edited in place (walk.go): what is not masked keeps every byte.
//
// Nothing here looks back or ahead without a bound, so the time grows with the
// length of the input whatever is in it.
package mask

// Type says what a finding is. It is what stands in the mask: [EMAIL_ADDRESS].
type Type string

// The types of the recognisers that are always on. A policy may add its own.
const (
	Email      Type = "EMAIL_ADDRESS"
	Phone      Type = "PHONE_NUMBER"
	Person     Type = "PERSON"
	User       Type = "USER_ID"
	Card       Type = "CREDIT_CARD"
	CardCode   Type = "CARD_CODE"
	CardExpiry Type = "CARD_EXPIRY"
	IBAN       Type = "IBAN_CODE"
	Account    Type = "BANK_ACCOUNT"
	Crypto     Type = "CRYPTO"
	SSN        Type = "US_SSN"
	NationalID Type = "NATIONAL_ID"
	IP         Type = "IP_ADDRESS"
	Login      Type = "URL_CREDENTIALS"
	Password   Type = "PASSWORD"
	Secret     Type = "SECRET"
	Token      Type = "TOKEN"
	JWT        Type = "JWT"
	PrivateKey Type = "PRIVATE_KEY"
	BirthDate  Type = "DATE_OF_BIRTH"

	MAC      Type = "MAC_ADDRESS"
	Date     Type = "DATE_TIME"
	Age      Type = "AGE"
	Location Type = "LOCATION"
	URL      Type = "URL"
	Domain   Type = "DOMAIN_NAME"
)

// A group is what a policy treats alike unless it names a type.
type group uint8

const (
	identities group = iota // who somebody is, and how to reach or to charge them
	secrets                 // what opens something
	reported                // found and counted, kept unless a policy names it
)

var groups = map[Type]group{
	Password: secrets, Secret: secrets, Token: secrets, JWT: secrets, PrivateKey: secrets, Login: secrets, CardCode: secrets,
	MAC: reported, Date: reported, Age: reported, Location: reported, URL: reported, Domain: reported,
}
