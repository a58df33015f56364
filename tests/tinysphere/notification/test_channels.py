"""Every kind of channel that is allowed by default can be read, and is shown without its secrets."""

import pytest

from tinysphere.notification.apprise_channels import LOCAL_SCHEMAS, AppriseChannels
from tinysphere.notification.channel_urls import is_redacted
from tinysphere.notification.channels import ChannelError, Message
from tinysphere.settings import NOTIFICATION_SCHEMAS

SECRET = "S3cr3tS3cr3tS3cr3tS3cr3t"
URLS = [
    f"mailto://ann:{SECRET}@example.org?to=bob@example.org",
    f"mailtos://ann:{SECRET}@example.org?to=bob@example.org",
    f"json://ann:{SECRET}@example.org/{SECRET}?+X-Token={SECRET}&-key={SECRET}&:extra={SECRET}",
    f"jsons://example.org/a/{SECRET}?token={SECRET}",
    f"slack://T1JJ3T3L2/A1BRTD4JD/{SECRET}/#general",
    f"discord://4174216298/{SECRET}",
    f"tgram://123456789:{SECRET}{SECRET[:11]}/123",
    f"gchat://workspace/{SECRET}/{SECRET}",
    f"webex://{SECRET * 3}{SECRET[:8]}",
    f"zulip://bot@org/{SECRET}{SECRET[:8]}/channel",
    f"workflows://example.org:443/{SECRET}/{SECRET}",
    *(f"matrix{s}://ann:{SECRET}@example.org/#room" for s in ("", "s")),
    *(f"mmost{s}://example.org/{SECRET.lower()}" for s in ("", "s")),
    f"rocket://ann:{SECRET}@example.org/#room",
    f"rockets://{SECRET}/{SECRET}@example.org/#room",
    *(f"nctalk{s}://ann:{SECRET}@example.org/room" for s in ("", "s")),
    *(f"signal{s}://ann:{SECRET}@example.org/+15551234567/+15557654321" for s in ("", "s")),
    f"ntfy://ann:{SECRET}@example.org/topic",
    f"ntfys://tk_{SECRET}@example.org/topic",
    *(f"gotify{s}://example.org/{SECRET}" for s in ("", "s")),
    f"pover://{SECRET}{SECRET[:6]}@{SECRET}{SECRET[:6]}",
    f"pagerduty://{SECRET}@{SECRET}",
    f"opsgenie://{SECRET}",
]


def test_the_table_has_every_schema_allowed_by_default() -> None:
    assert {url.partition("://")[0] for url in URLS} == set(NOTIFICATION_SCHEMAS)


@pytest.mark.parametrize("url", URLS, ids=lambda url: url.partition("://")[0])
def test_a_channel_is_shown_without_its_secrets(channels: AppriseChannels, url: str) -> None:
    shown = channels.shown(url)
    assert SECRET.lower()[:6] not in shown.lower()
    assert is_redacted(shown), "which is how it is known again"


def test_what_acts_on_the_server_itself_is_refused_even_when_listed() -> None:
    channels = AppriseChannels([*LOCAL_SCHEMAS, "file", "json"])
    for schema in sorted(LOCAL_SCHEMAS):
        with pytest.raises(ChannelError, match="is not allowed here"):
            channels.shown(f"{schema}://localhost/")
    with pytest.raises(ChannelError, match="cannot read"):
        channels.shown("file:///etc/passwd")


def test_a_channel_whose_schema_was_taken_off_the_list_fails_its_deliveries() -> None:
    message = Message(title="drift", body="bag moved", severity=None)
    assert "is not allowed here" in AppriseChannels(["mailtos"]).send("json://127.0.0.1:1/", message)
