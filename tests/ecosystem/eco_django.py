"""pytest-django: a project of Django's, and a database for each worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from eco_kit import Home, assert_same

pytestmark = pytest.mark.integration

SETTINGS = """
from pathlib import Path
ROOT = Path(__file__).parent
SECRET_KEY = "of no use"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
ROOT_URLCONF = "site_urls"
STATIC_URL = "/static/"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "app"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ROOT / "db.sqlite3", TEST}}
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
from app.models import Note
urlpatterns = [path("count/", lambda request: HttpResponse(str(Note.objects.count())))]
"""
MODELS = """
from django.db import models
class Note(models.Model):
    text = models.CharField(max_length=20, unique=True)
class Colour(models.Model):
    name = models.CharField(max_length=20)
"""
MIGRATION = """
from django.db import migrations, models
def fill(apps, editor): apps.get_model("app", "Colour").objects.create(name="of the migration")
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Note", [
            ("id", models.AutoField(primary_key=True)),
            ("text", models.CharField(max_length=20, unique=True)),
        ]),
        migrations.CreateModel("Colour", [
            ("id", models.AutoField(primary_key=True)),
            ("name", models.CharField(max_length=20)),
        ]),
        migrations.RunPython(fill),
    ]
"""
WHOLE = "every worker collects all tests (`collect: whole`): pytest-django must see them at once"
TESTS = """
import os
import urllib.request
import pytest
from app.models import Colour, Note
from django.db import connection
from django.test import TestCase

@pytest.fixture(autouse=True)
def which(request):
    yield
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        with open(os.environ["NAMES"], "a") as file:
            file.write(f"{os.environ.get('PYTEST_XDIST_WORKER', '-')} {connection.settings_dict['NAME']}\\n")

@pytest.mark.parametrize("n", range(6))
def test_isolated(db, n):
    Note.objects.create(text="same")
    assert Note.objects.count() == 1

def test_of_the_migration(db):
    assert Colour.objects.count() == 1

@pytest.mark.django_db(transaction=True)
def test_committed():
    Note.objects.create(text="same")
    assert Note.objects.count() == 1

@pytest.mark.django_db(transaction=True)
def test_live(live_server):
    Note.objects.create(text="seen by the server")
    assert urllib.request.urlopen(live_server.url + "/count/").read() == b"1"

def test_client(client, db):
    assert client.get("/count/").content == b"0"

def test_queries(django_assert_num_queries, db):
    with django_assert_num_queries(1):
        Note.objects.count()

def test_user(admin_user):
    assert admin_user.is_superuser

def test_refused():
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        Note.objects.count()

class TestUnittest(TestCase):
    @classmethod
    def setUpTestData(cls): Note.objects.create(text="same")
    def test_one(self): assert Note.objects.count() == 1
    def test_two(self): Note.objects.create(text="more")
"""


# Transactional tests empty the tables, rows of migrations among them: they go last.
GATES = """
version: 1
gates:
  transactional: {tests: "django_db(transaction=True)", needs: [unit]}
  unit: {tests: true}
"""


def project(tmp_path: Path, test: str) -> Home:
    repo = Home(tmp_path, "django")
    repo.write("site_settings.py", SETTINGS.replace("TEST", test))
    repo.write("site_urls.py", URLS)
    repo.write("app/__init__.py")
    repo.write("app/models.py", MODELS)
    repo.write("app/migrations/__init__.py")
    repo.write("app/migrations/0001_initial.py", MIGRATION)
    repo.write("pytest.ini", "[pytest]\nDJANGO_SETTINGS_MODULE = site_settings\npythonpath = .\n")
    repo.write("batchgate.yaml", GATES)
    repo.write("tests/test_a.py", TESTS)
    repo.write("tests/test_b.py", TESTS)
    repo.write("tests/test_c.py", TESTS)
    return repo


@pytest.mark.parametrize("test", ["", '"TEST": {"NAME": ROOT / "test.sqlite3"}'], ids=["memory", "file"])
def test_a_database_per_worker(tmp_path: Path, test: str) -> None:
    """`db`, `transactional_db`, `live_server`, clients, TestCase: as plain; each worker's data its own."""
    repo = project(tmp_path, test)
    gates = repo.gates(env={"NAMES": str(tmp_path / "gates")})
    assert (gates.code, gates.counts) == (0, "45 passed"), gates
    assert WHOLE in gates.out
    if test:
        assert_same(repo.plain(env={"NAMES": str(tmp_path / "plain")}), gates)
    used = {tuple(line.split()) for line in (tmp_path / "gates").read_text().splitlines()}
    assert {worker for worker, _ in used} == {"gw0", "gw1"}
    if test:
        assert all(name.endswith(f"_{worker}") for worker, name in used), used
    else:  # in the memory of each worker's process
        assert all("mode=memory" in name for _, name in used), used
    left = sorted(path.name for path in repo.root.glob("*sqlite3*"))
    assert left == [], "test databases are removed"


def test_reuse_db(tmp_path: Path) -> None:
    """`--reuse-db` keeps a database for each worker, and finds it again."""
    repo = project(tmp_path, '"TEST": {"NAME": ROOT / "test.sqlite3"}')
    for _ in range(2):
        ran = repo.gates("--reuse-db", "-k", "not migration", env={"NAMES": str(tmp_path / "gates")})
        assert (ran.code, ran.counts) == (0, "42 passed, 3 deselected"), ran
        assert {path.name for path in repo.root.glob("test*sqlite3*")} == {
            "test.sqlite3_gw0",
            "test.sqlite3_gw1",
        }
