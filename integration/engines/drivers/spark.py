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
        self.compiled = None

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

    def equality_deletes(self, table, column, values):
        """Commits them through the session's catalog, see EqualityDeletes.java."""
        jvm = self.spark._jvm
        if not self.compiled:
            # py4j cannot hold a Java Long apart from an Integer, so the rows
            # are made in Java.
            compiler = jvm.org.codehaus.janino.SimpleCompiler()
            compiler.setParentClassLoader(jvm.java.lang.Thread.currentThread().getContextClassLoader())
            compiler.cook(pathlib.Path(__file__).with_name("EqualityDeletes.java").read_text())
            self.compiled = compiler.getClassLoader().loadClass("EqualityDeletes")
        loaded = jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(self.spark._jsparkSession, table)
        [commit] = [m for m in self.compiled.getDeclaredMethods() if m.getName() == "commit"]
        arguments = self.spark.sparkContext._gateway.new_array(jvm.java.lang.Object, 3)
        listed = jvm.java.util.ArrayList()
        for value in values:
            listed.add(value)
        arguments[0], arguments[1], arguments[2] = loaded, column, listed
        return commit.invoke(None, arguments)

    def python(self, code):
        return protocol.run(code, self.scope)


protocol.serve(Spark())
