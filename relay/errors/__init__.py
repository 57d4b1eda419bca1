"""What we answer when we refuse a request ourselves.

Every leaf is an expected answer: an HTTP status and one of Kling's own codes, rendered in Kling's
envelope by one handler (`proxy/answers.py`) and logged at info. Whatever else is raised in a
request is a bug: it is answered by InternalError, with a traceback in the log.

    RelayError
    ├── Unauthorized                       no tenant can be told from the credential
    │   ├── TenantDisabled         401  1000  its credential is right, and it is switched off
    │   ├── CredentialMissing      401  1001  no header
    │   ├── CredentialUnknown      401  1002  no JWT, and no API key of ours
    │   ├── SignatureInvalid       401  1002  a JWT that no access key and secret key of ours made
    │   ├── CredentialNotYetValid  401  1003  a JWT of ours before its time
    │   ├── CredentialExpired      401  1004  a JWT of ours after its time
    │   └── AccessExpired          401  1004  a token or a tenant after the operator's time for it
    ├── BadRequest                 400  1200  the body as a whole cannot be read
    ├── NoVerdict                  400  1200  sent, and answered by a 4xx that proves nothing
    ├── InvalidParameter           400  1201  one field, named in the message
    ├── IdsRequired                400  1201  a query of several tasks names none, or in two ways
    ├── TaskNotFound               400  1201  no task of this tenant and kind under that id
    ├── ThingNotFound              400  1201  names a video, voice, … that this tenant does not have
    ├── ThingDeleted               400  1201  deletes what this tenant has deleted before
    ├── ExternalIdTaken            400  1201  a task of this tenant has that external id already
    ├── TokenNotFound              400  1201  no key of this tenant under that number
    ├── DeliveryNotFound           400  1201  no callback of this tenant under that id
    ├── AssetNotFound              400  1201  no file of this tenant's that stays under that id
    ├── RunNotFound                400  1201  no task of the studio's of this tenant under that id
    ├── NoticePlaceNotFound        400  1201  no place for notices of this tenant under that number
    ├── PortalSessionNotFound      400  1201  no browser of this tenant's under that number
    ├── ScopeTooSmall              403  1103  the token may be used for other things, not for this
    ├── UploadsNotTaken            403  1103  the operator keeps no files for this tenant
    ├── FilesFull                  403  1103  it has as many bytes of files as it may
    ├── Withheld                   403  1103  what sub-tenants, and replaced keys, have not
    ├── AddressNotAllowed          403  1103  the token is not taken from there
    ├── EndpointNotAllowed         403  1103  the token is for other endpoints
    ├── ModelNotAllowed            403  1103  the token is for other models
    ├── UnknownPath                404  1202  not one of Kling's paths or methods
    ├── TemplateNotFound           404  1203  no workflow of the studio's is called so
    ├── Unpriced                   404  1203  no row of the price book fits
    ├── InsufficientQuota          429  1102  quota and credit, less what is held, are less
    ├── QuotaWithheld              429  1102  the same of a sub-tenant, by what its parent has
    ├── SpendLimited               429  1102  the rest of a limit of money is less than the quote
    ├── TaskTooDear                403  1103  a limit of what one task may cost is
    ├── OverCap                    403  1103  a step of a run, over what is left of its cap
    ├── TooDear                    403  1103  the same of a sub-tenant, by a limit of its parent's
    ├── TooManyPings               429  1302  a second test callback within seconds
    ├── TooManyCalls               429  1302  free calls, wrong codes, creates by a parent's
    ├── TooManyStreams             429  1302  streams of events, of a tenant or of the process
    ├── TooManyCreates             429  1302  a limit of creates a second
    ├── TooManyTasks               429  1303  the tenant's own limit of open tasks
    ├── TooManyInFlight            429  1303  a limit of tasks in flight
    ├── NoRoom                     429  1303  all slots of the accounts are taken, or their pace is
    ├── InternalError              500  5000  a bug of ours
    ├── TooSlow                    503  5001  others waited for the room that its body took
    ├── Unavailable                503  5001  no channel can take it now, or we cannot
    ├── Paused                     503  5001  the operator stopped such creates for a while
    ├── TimedOut                   504  5002  sent, and no answer in time; the hold stays
    └── CallbackRefused                    told to Kling, or to whoever posed as Kling
        ├── CallbackUnreadable     400  1200  not a task object, or cut short
        ├── CallbackForged         401  1000  neither our path nor Kling's signature
        └── CallbackNotPosted      404  1202  another method than POST

A refusal never changes once it is made; tests/test_errors.py holds this drawing to the classes.
Source of the codes and their statuses: docs/kling-api.md 8, as `kling/codes.py` has them.
"""

from relay.errors.bearers import (
    AccessExpired,
    CredentialExpired,
    CredentialMissing,
    CredentialNotYetValid,
    CredentialUnknown,
    SignatureInvalid,
    TenantDisabled,
    Unauthorized,
)
from relay.errors.bodies import (
    AddressNotAllowed,
    AssetNotFound,
    BadRequest,
    DeliveryNotFound,
    EndpointNotAllowed,
    ExternalIdTaken,
    FilesFull,
    IdsRequired,
    InvalidParameter,
    ModelNotAllowed,
    NoticePlaceNotFound,
    NoVerdict,
    PortalSessionNotFound,
    RunNotFound,
    ScopeTooSmall,
    TaskNotFound,
    TemplateNotFound,
    ThingDeleted,
    ThingNotFound,
    TokenNotFound,
    UnknownPath,
    Unpriced,
    UploadsNotTaken,
    Withheld,
)
from relay.errors.bounds import (
    InsufficientQuota,
    NoRoom,
    OverCap,
    QuotaWithheld,
    SpendLimited,
    TaskTooDear,
    TooDear,
    TooManyCalls,
    TooManyCreates,
    TooManyInFlight,
    TooManyPings,
    TooManyStreams,
    TooManyTasks,
)
from relay.errors.refusal import (
    RelayError,
)
from relay.errors.trouble import (
    CallbackForged,
    CallbackNotPosted,
    CallbackRefused,
    CallbackUnreadable,
    InternalError,
    Paused,
    TimedOut,
    TooSlow,
    Unavailable,
)

__all__ = [
    "AccessExpired",
    "AddressNotAllowed",
    "AssetNotFound",
    "BadRequest",
    "CallbackForged",
    "CallbackNotPosted",
    "CallbackRefused",
    "CallbackUnreadable",
    "CredentialExpired",
    "CredentialMissing",
    "CredentialNotYetValid",
    "CredentialUnknown",
    "DeliveryNotFound",
    "EndpointNotAllowed",
    "ExternalIdTaken",
    "FilesFull",
    "IdsRequired",
    "InsufficientQuota",
    "InternalError",
    "InvalidParameter",
    "ModelNotAllowed",
    "NoRoom",
    "NoVerdict",
    "NoticePlaceNotFound",
    "OverCap",
    "Paused",
    "PortalSessionNotFound",
    "QuotaWithheld",
    "RelayError",
    "RunNotFound",
    "ScopeTooSmall",
    "SignatureInvalid",
    "SpendLimited",
    "TaskNotFound",
    "TaskTooDear",
    "TemplateNotFound",
    "TenantDisabled",
    "ThingDeleted",
    "ThingNotFound",
    "TimedOut",
    "TokenNotFound",
    "TooDear",
    "TooManyCalls",
    "TooManyCreates",
    "TooManyInFlight",
    "TooManyPings",
    "TooManyStreams",
    "TooManyTasks",
    "TooSlow",
    "Unauthorized",
    "Unavailable",
    "UnknownPath",
    "Unpriced",
    "UploadsNotTaken",
    "Withheld",
]
