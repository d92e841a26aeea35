"""Tests of instrument locks."""
from crds import log
from crds.server.locking import models


class LockTests(object):

    def test_create(self):
        self.write("locking_lock")

    def test_release(self):
        self.write("locking_lock")

    def test_expire(self):
        self.write("locking_lock")

    def test_refuse_second(self):
        self.write("locking_lock")

    def test_same_user_twice(self):
        self.write("locking_lock")

    def test_super_user(self):
        self.write("locking_lock")

    def test_lock_pair(self):
        self.write("locking_lock")

