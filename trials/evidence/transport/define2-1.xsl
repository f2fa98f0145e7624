<?xml version="1.0" encoding="UTF-8"?>
<!-- Shows a Define-XML 2.1 with Analysis Results Metadata 1.0 in a browser: one page, no script, nothing from elsewhere. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:odm="http://www.cdisc.org/ns/odm/v1.3" xmlns:def="http://www.cdisc.org/ns/def/v2.1"
    xmlns:arm="http://www.cdisc.org/ns/arm/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
    exclude-result-prefixes="odm def arm xlink">
  <xsl:output method="html" encoding="UTF-8" indent="no" doctype-system="about:legacy-compat"/>
  <xsl:key name="item" match="odm:ItemDef" use="@OID"/>
  <xsl:key name="group" match="odm:ItemGroupDef" use="@OID"/>
  <xsl:key name="list" match="odm:CodeList" use="@OID"/>
  <xsl:key name="values" match="def:ValueListDef" use="@OID"/>
  <xsl:key name="where" match="def:WhereClauseDef" use="@OID"/>
  <xsl:key name="method" match="odm:MethodDef" use="@OID"/>
  <xsl:key name="comment" match="def:CommentDef" use="@OID"/>
  <xsl:key name="leaf" match="def:leaf" use="@ID"/>
  <xsl:key name="standard" match="def:Standard" use="@OID"/>
  <xsl:variable name="version" select="/odm:ODM/odm:Study/odm:MetaDataVersion"/>

  <xsl:template match="/">
    <html lang="en">
      <head>
        <meta charset="UTF-8"/>
        <title>Define-XML: <xsl:value-of select="//odm:StudyName"/></title>
        <style>
          body { font: 14px/1.4 sans-serif; margin: 1.5em auto; max-width: 90em; padding: 0 1em; color: #222 }
          table { border-collapse: collapse; width: 100%; margin: .5em 0 2em }
          th, td { border: 1px solid #bbb; padding: .25em .5em; text-align: left; vertical-align: top }
          th { background: #e9eef4 } .value td { background: #f8f8f4 } h2 { margin-top: 2em }
          pre { white-space: pre-wrap; margin: 0 } .simulated { background: #fff3cd; padding: .5em }
        </style>
      </head>
      <body>
        <h1><xsl:value-of select="//odm:StudyName"/></h1>
        <p class="simulated"><strong><xsl:value-of select="//odm:StudyDescription"/></strong></p>
        <p><xsl:value-of select="$version/@Name"/>, Define-XML <xsl:value-of select="$version/@def:DefineVersion"/>,
          made <xsl:value-of select="/odm:ODM/@CreationDateTime"/>. Standards:
          <xsl:for-each select="$version/def:Standards/def:Standard">
            <xsl:value-of select="concat(@Name, ' ', @PublishingSet, ' ', @Version)"/>
            <xsl:if test="position() != last()">; </xsl:if>
          </xsl:for-each>.
        </p>
        <xsl:for-each select="$version/def:SupplementalDoc/def:DocumentRef">
          <p><xsl:call-template name="leaf"><xsl:with-param name="id" select="@leafID"/></xsl:call-template></p>
        </xsl:for-each>
        <xsl:if test="$version/arm:AnalysisResultDisplays">
          <h2>Analysis results</h2>
          <xsl:apply-templates select="$version/arm:AnalysisResultDisplays/arm:ResultDisplay"/>
        </xsl:if>
        <h2>Data sets</h2>
        <table>
          <tr><th>Data set</th><th>Description</th><th>Class</th><th>Structure</th><th>Keys</th><th>File</th></tr>
          <xsl:for-each select="$version/odm:ItemGroupDef">
            <tr>
              <td><a href="#{@OID}"><xsl:value-of select="@Name"/></a></td>
              <td><xsl:value-of select="odm:Description/odm:TranslatedText"/></td>
              <td><xsl:value-of select="def:Class/@Name"/>
                <xsl:for-each select="def:Class/def:SubClass"> / <xsl:value-of select="@Name"/></xsl:for-each></td>
              <td><xsl:value-of select="@def:Structure"/></td>
              <td><xsl:for-each select="odm:ItemRef[@KeySequence]">
                <xsl:sort select="@KeySequence" data-type="number"/>
                <xsl:value-of select="key('item', @ItemOID)/@Name"/><xsl:if test="position() != last()">, </xsl:if>
              </xsl:for-each></td>
              <td><a href="{def:leaf/@xlink:href}"><xsl:value-of select="def:leaf/def:title"/></a></td>
            </tr>
          </xsl:for-each>
        </table>
        <xsl:apply-templates select="$version/odm:ItemGroupDef"/>
        <h2>Code lists</h2>
        <xsl:apply-templates select="$version/odm:CodeList"/>
      </body>
    </html>
  </xsl:template>

  <xsl:template match="odm:ItemGroupDef">
    <h3 id="{@OID}"><xsl:value-of select="concat(@Name, ': ', odm:Description/odm:TranslatedText)"/></h3>
    <table>
      <tr><th>Variable</th><th>Where</th><th>Label</th><th>Type</th><th>Length or format</th><th>Terms</th><th>Origin, method</th></tr>
      <xsl:for-each select="odm:ItemRef">
        <xsl:variable name="item" select="key('item', @ItemOID)"/>
        <xsl:call-template name="item"/>
        <xsl:for-each select="key('values', $item/def:ValueListRef/@ValueListOID)/odm:ItemRef">
          <xsl:call-template name="item"/>
        </xsl:for-each>
      </xsl:for-each>
    </table>
  </xsl:template>

  <xsl:template name="item">
    <xsl:variable name="item" select="key('item', @ItemOID)"/>
    <tr>
      <xsl:if test="def:WhereClauseRef"><xsl:attribute name="class">value</xsl:attribute></xsl:if>
      <td><xsl:value-of select="$item/@Name"/></td>
      <td><xsl:call-template name="where"/></td>
      <td><xsl:value-of select="$item/odm:Description/odm:TranslatedText"/></td>
      <td><xsl:value-of select="$item/@DataType"/></td>
      <td><xsl:value-of select="$item/@Length"/><xsl:text> </xsl:text><xsl:value-of select="$item/@def:DisplayFormat"/></td>
      <td><xsl:for-each select="key('list', $item/odm:CodeListRef/@CodeListOID)">
        <a href="#{@OID}"><xsl:value-of select="@Name"/></a>
      </xsl:for-each></td>
      <td>
        <xsl:value-of select="$item/def:Origin/@Type"/>
        <xsl:for-each select="$item/def:Origin/odm:Description/odm:TranslatedText">: <xsl:value-of select="."/></xsl:for-each>
        <xsl:for-each select="key('method', @MethodOID)/odm:Description/odm:TranslatedText">: <xsl:value-of select="."/></xsl:for-each>
        <xsl:for-each select="key('comment', $item/@def:CommentOID)/odm:Description/odm:TranslatedText">: <xsl:value-of select="."/></xsl:for-each>
      </td>
    </tr>
  </xsl:template>

  <xsl:template name="where">
    <xsl:for-each select="key('where', def:WhereClauseRef/@WhereClauseOID)/odm:RangeCheck">
      <xsl:value-of select="concat(key('item', @def:ItemOID)/@Name, ' ', @Comparator, ' ')"/>
      <xsl:for-each select="odm:CheckValue">
        <xsl:value-of select="."/><xsl:if test="position() != last()">, </xsl:if>
      </xsl:for-each>
      <xsl:if test="position() != last()"> and </xsl:if>
    </xsl:for-each>
  </xsl:template>

  <xsl:template match="odm:CodeList">
    <h3 id="{@OID}"><xsl:value-of select="@Name"/>
      <xsl:for-each select="odm:Alias"> (<xsl:value-of select="@Name"/>)</xsl:for-each></h3>
    <table>
      <tr><th>Term</th><th>Meaning</th><th>NCI code</th></tr>
      <xsl:for-each select="odm:CodeListItem | odm:EnumeratedItem">
        <tr>
          <td><xsl:value-of select="@CodedValue"/></td>
          <td><xsl:value-of select="odm:Decode/odm:TranslatedText"/></td>
          <td><xsl:value-of select="odm:Alias/@Name"/><xsl:if test="@def:ExtendedValue">extension</xsl:if></td>
        </tr>
      </xsl:for-each>
    </table>
  </xsl:template>

  <xsl:template match="arm:ResultDisplay">
    <h3><xsl:value-of select="concat(@Name, ': ', odm:Description/odm:TranslatedText)"/></h3>
    <xsl:for-each select="def:DocumentRef">
      <p><xsl:call-template name="leaf"><xsl:with-param name="id" select="@leafID"/></xsl:call-template></p>
    </xsl:for-each>
    <xsl:for-each select="arm:AnalysisResult">
      <table>
        <tr><th>Result</th><td><xsl:value-of select="odm:Description/odm:TranslatedText"/></td></tr>
        <tr><th>Reason, purpose</th><td><xsl:value-of select="concat(@AnalysisReason, ', ', @AnalysisPurpose)"/></td></tr>
        <xsl:for-each select="arm:AnalysisDatasets/arm:AnalysisDataset">
          <tr><th>Data</th><td>
            <a href="#{@ItemGroupOID}"><xsl:value-of select="key('group', @ItemGroupOID)/@Name"/></a>:
            <xsl:for-each select="arm:AnalysisVariable">
              <xsl:value-of select="key('item', @ItemOID)/@Name"/><xsl:if test="position() != last()">, </xsl:if>
            </xsl:for-each>
            <xsl:if test="def:WhereClauseRef"> where <xsl:call-template name="where"/></xsl:if>
          </td></tr>
        </xsl:for-each>
        <tr><th>Method</th><td><xsl:value-of select="arm:Documentation/odm:Description/odm:TranslatedText"/></td></tr>
        <xsl:for-each select="arm:ProgrammingCode">
          <tr><th><xsl:value-of select="@Context"/></th><td><pre><xsl:value-of select="arm:Code"/></pre></td></tr>
        </xsl:for-each>
      </table>
    </xsl:for-each>
  </xsl:template>

  <xsl:template name="leaf">
    <xsl:param name="id"/>
    <a href="{key('leaf', $id)/@xlink:href}"><xsl:value-of select="key('leaf', $id)/def:title"/></a>
  </xsl:template>
</xsl:stylesheet>
