"""Database of the jwst dev server; install copies it to sources/crds_database.py."""
import os

password_file = "SUB_ROOT_jwst_dev/crds/data1/database/jwst.dat"

DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.mysql',
        'NAME': 'crds_jwst_dev',
        'USER': 'jwstcrds',
        'PASSWORD': open(password_file).read().strip(),
        'HOST': 'db-test.example',
        'PORT': '23306',
        'OPTIONS': {'init_command': 'SET storage_engine=INNODB'},
    },
}
