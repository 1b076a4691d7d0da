"""A session, a login and a one-time code are good for as long as they say, whichever clock they were made by."""

from email.message import Message
from http.cookiejar import CookieJar
from urllib.request import Request

import jwt
import pyotp
import pytest
from itsdangerous import BadSignature, TimestampSigner

pytestmark = pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", "boot-linux-on-a-tokyo-host")
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


class Website:
    """Knows its users by a signed session of ten minutes."""

    signer = TimestampSigner(SECRET)

    def log_in(self):
        self.session = self.signer.sign("alice")

    def knows(self):
        try:
            return self.signer.unsign(self.session, max_age=600)
        except BadSignature:
            return None


@pytest.mark.breaks_under("restore-after-a-month", "users are logged out after 1 s of their 10 min, when SYNC comes")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "SYNC logs everybody out: their sessions are from the future")
def test_itsdangerous_keeps_a_user_logged_in_for_ten_minutes(hvclock, lives_for):
    hvclock.strike()
    website = Website()
    website.log_in()
    lives_for(600, website.knows)


@pytest.fixture
def website():
    return Website()


@pytest.fixture
def stranger_refused(website):
    return lambda: not website.knows()


@pytest.mark.hvclock("restore-after-a-month", "windows-restore-after-a-month")
@pytest.mark.hvclock_recovers("stranger_refused", within="10 s")
def test_itsdangerous_refuses_last_months_session_again(website):
    website.log_in()
    assert website.knows()


class Answer:
    """What the shop answers to a login."""

    def info(self):
        headers = Message()
        headers["Set-Cookie"] = "session=alice; Max-Age=600"
        return headers


@pytest.mark.breaks_under("restore-after-a-month", "the customer is logged out after 1 s of 10 min, when SYNC comes")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "a cookie of 10 min is sent for 9 h and 10 min")
def test_cookiejar_sends_a_cookie_for_its_ten_minutes(hvclock, lives_for):
    hvclock.strike()
    jar = CookieJar()
    jar.extract_cookies(Answer(), Request("https://shop.example/"))

    def sent():
        request = Request("https://shop.example/")
        jar.add_cookie_header(request)
        return request.has_header("Cookie")

    lives_for(600, sent)


@pytest.fixture
def login_accepted(hvclock):
    """Log in with a token of an identity provider, whose clock is right."""

    def accepted():
        now = hvclock.host.true_ns // 10**9
        token = jwt.encode({"sub": "alice", "iat": now, "exp": now + 600}, SECRET, algorithm="HS256")
        try:
            return jwt.decode(token, SECRET, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return None

    return accepted


@pytest.mark.hvclock_recovers("login_accepted", within="10 s")
@pytest.mark.breaks_under("drift-500ppm", "after 30 days, 21 min ahead: every token of 10 min is refused")
def test_pyjwt_accepts_a_token_just_issued(hvclock, login_accepted):
    hvclock.advance("30 d")
    assert login_accepted()


@pytest.fixture
def code_accepted(hvclock):
    """Log in with the code on a phone, whose clock is right."""
    server, phone = pyotp.TOTP(SECRET), pyotp.TOTP(SECRET)
    return lambda: server.verify(phone.at(hvclock.host.true_ns // 10**9), valid_window=1)


@pytest.mark.hvclock_recovers("code_accepted", within="10 s")
@pytest.mark.breaks_under("drift-500ppm", "after 3 days, 130 s ahead: no code of any phone is accepted")
def test_pyotp_accepts_the_code_on_the_phone(hvclock, code_accepted):
    hvclock.advance("3 d")
    assert code_accepted()


@pytest.mark.hvclock("restore-after-a-month")
@pytest.mark.xfail(strict=True, raises=AssertionError, reason="for 1 s, until SYNC, a stolen code of last month works")
def test_pyotp_refuses_last_months_code(hvclock):
    totp = pyotp.TOTP(SECRET)
    stolen = totp.now()
    hvclock.strike()
    assert not totp.verify(stolen)
