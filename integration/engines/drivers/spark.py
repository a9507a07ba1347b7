"""Spark in one long-lived session. Usage: spark.py JARS FOLDER."""

import os
import pathlib
import sys

import pyspark
from pyspark.sql import SparkSession

import protocol

jars, folder = sys.argv[1:3]


class Spark:
    def __init__(self):
        builder = SparkSession.builder.master("local[2]").appName("firn")
        for key, value in {
            "spark.jars": ",".join(str(p) for p in sorted(pathlib.Path(jars).glob("*.jar"))),
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.driver.memory": "2g",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
            "spark.driver.maxResultSize": "1g",
            "spark.ui.enabled": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "2",
            "spark.local.dir": folder,
            "spark.sql.warehouse.dir": os.path.join(folder, "warehouse"),
        }.items():
            builder = builder.config(key, value)
        self.spark = builder.getOrCreate()
        self.spark.sparkContext.setLogLevel("WARN")
        self.scope = {"spark": self.spark}

    def version(self):
        return pyspark.__version__

    def attach(self, catalog, properties):
        key = f"spark.sql.catalog.{catalog}"
        self.spark.conf.set(key, "org.apache.iceberg.spark.SparkCatalog")
        for name, value in properties.items():
            self.spark.conf.set(f"{key}.{name}", value)

    def execute(self, statement):
        self.spark.sql(statement).collect()

    def query(self, statement):
        return self.spark.sql(statement).toArrow()

    def python(self, code):
        return protocol.run(code, self.scope)


protocol.serve(Spark())
