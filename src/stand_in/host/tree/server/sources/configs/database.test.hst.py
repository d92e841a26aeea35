"""Database of the hst test server; install copies it to sources/crds_database.py."""
import os

password_file = "SUB_ROOT_hst_test/crds/data1/database/hst.dat"

DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.mysql',
        'NAME': 'crds_hst_test',
        'USER': 'hstcrds',
        'PASSWORD': open(password_file).read().strip(),
        'HOST': 'db-test.example',
        'PORT': '23306',
        'OPTIONS': {'init_command': 'SET storage_engine=INNODB'},
    },
}
